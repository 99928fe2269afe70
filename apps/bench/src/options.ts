import { Command, InvalidArgumentError, Option } from 'commander';
import { payloadNames } from './payloads.js';
import { layerOf, peerNames, type PeerName } from './peers/index.js';
import { IDLE, workloadNames } from './workloads/index.js';
import type { Timing } from './workloads/workload.js';

/** What to measure, how long and how often. */
export interface Settings {
  peers: PeerName[];
  workloads: string[];
  payloads: string[];
  rounds: number;
  /** For each measurement. */
  timing: Timing;
}

export interface BenchOptions {
  settings: Settings;
  /** Folder of the results' JSON. */
  json: string;
  /** Folder of CPU profiles. */
  cpuProf?: string;
}

const QUICK = { rounds: 3, timing: { warmUp: 120, time: 220 } };
const FULL = { rounds: 11, timing: { warmUp: 500, time: 2_000 } };
const LAYERS = { nest: 'nest', segments: 'raw' } as const;

interface Parsed {
  full?: boolean;
  rounds?: number;
  only: string[];
  payload: string[];
  layer: 'all' | keyof typeof LAYERS;
  peers: PeerName[];
  json: string;
  cpuProf?: string;
}

/** Reads the command line; prints help or what is wrong with it and ends the process. */
export function parseOptions(argv: string[]): BenchOptions {
  const workloads = unique([...workloadNames.nest, ...workloadNames.raw, IDLE]);
  const payloads = unique([...payloadNames.nest, ...payloadNames.raw]);
  const parsed = new Command('npm run bench --')
    .description('Measures nestjs-rsm beside other transports, every server and client in a process of its own.')
    .addOption(new Option('--quick', `${QUICK.rounds} short rounds, under a minute (default)`).conflicts('full'))
    .option('--full', `${FULL.rounds} long rounds`)
    .option('--rounds <n>', 'rounds', roundsOf)
    .addOption(new Option('--only <workload...>', 'these workloads').choices(workloads).default(workloads, 'all'))
    .addOption(new Option('--payload <name...>', 'these payloads').choices(payloads).default(payloads, 'all'))
    .addOption(new Option('--layer <name>', 'over Nest, or the segments under it').choices(['all', ...Object.keys(LAYERS)]).default('all'))
    .addOption(new Option('--peers <name...>', 'these peers').choices(peerNames).default(peerNames, 'all'))
    .option('--json <folder>', 'where the results are kept', 'bench-results')
    .option('--cpu-prof <folder>', "write the CPU profiles of the last round's processes there")
    .parse(argv)
    .opts<Parsed>();
  const { rounds, timing } = parsed.full ? FULL : QUICK;
  const { layer } = parsed;
  return {
    settings: {
      peers: unique(parsed.peers).filter((name) => layer === 'all' || layerOf(name) === LAYERS[layer]),
      workloads: unique(parsed.only),
      payloads: unique(parsed.payload),
      rounds: parsed.rounds ?? rounds,
      timing,
    },
    json: parsed.json,
    cpuProf: parsed.cpuProf,
  };
}

function roundsOf(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1_000) {
    throw new InvalidArgumentError('It must be an integer in 1 to 1000.');
  }
  return value;
}

function unique<T>(values: T[]): T[] {
  return [...new Set(values)];
}
