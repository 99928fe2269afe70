import { Command, InvalidArgumentError, Option } from 'commander';
import type { Selection } from './selection.js';
import type { Suite, Timing } from './suite.js';

/** What to measure, how long and how often. */
export interface Settings extends Selection {
  readonly rounds: number;
  /** For each measurement. */
  readonly timing: Timing;
}

export interface BenchOptions {
  readonly settings: Settings;
  /** Folder of the results' JSON. */
  readonly json: string;
  /** Folder of CPU profiles. */
  readonly cpuProf?: string;
  /** Instead of measuring: what to make of kept results. */
  readonly show?: { readonly what: 'charts' | 'markdown'; /** Without it: the last run's. */ readonly file?: string };
  /** Folder of the charts. */
  readonly figures: string;
}

const QUICK = { rounds: 3, timing: { warmUp: 120, time: 220 } };
const FULL = { rounds: 7, timing: { warmUp: 300, time: 700 } };

interface Parsed {
  full?: boolean;
  rounds?: number;
  only?: string[];
  at?: string[];
  suite?: string[];
  peers?: string[];
  json: string;
  cpuProf?: string;
  charts?: string | true;
  markdown?: string | true;
  figures: string;
}

/** Reads the command line; prints help or what is wrong with it and ends the process. */
export function parseOptions(argv: string[], suites: readonly Suite[]): BenchOptions {
  const names = (of: (suite: Suite) => readonly string[]): string[] => [...new Set(suites.flatMap(of))];
  const choice = (flags: string, text: string, of: (suite: Suite) => readonly string[]): Option =>
    new Option(flags, text).choices(names(of));
  const parsed = new Command('npm run bench --')
    .description(
      'Measures nestjs-rsm beside other transports and its limits, every server and client in a process of its own. ' +
        'What is named is measured even where it is no part of the quick form.',
    )
    .addOption(new Option('--quick', `Nest over rsm and TCP, ${QUICK.rounds} short rounds, under a minute (default)`).conflicts('full'))
    .option('--full', `all peers, payloads and limits, ${FULL.rounds} long rounds`)
    .option('--rounds <n>', 'rounds', roundsOf)
    .addOption(choice('--suite <name...>', 'these tables', ({ name }) => [name]))
    .addOption(choice('--only <measurement...>', 'these measurements', ({ measurements }) => measurements.map(({ name }) => name)))
    .addOption(choice('--at <parameter...>', 'at these', ({ measurements }) => measurements.map(({ parameter }) => parameter)))
    .addOption(choice('--peers <name...>', 'these subjects', ({ subjects }) => subjects.map(({ name }) => name)))
    .option('--json <folder>', 'where the results are kept', 'bench-results')
    .option('--cpu-prof <folder>', "write the CPU profiles of the last round's processes there")
    .addOption(new Option('--charts [file]', 'measure nothing: draw the kept results (of the last run) as SVG').conflicts('markdown'))
    .option('--markdown [file]', 'measure nothing: print the kept results (of the last run) as Markdown')
    .option('--figures <folder>', 'where the charts are put', 'docs/figures')
    .parse(argv)
    .opts<Parsed>();
  const { rounds, timing } = parsed.full ? FULL : QUICK;
  return {
    settings: {
      full: parsed.full ?? false,
      suites: parsed.suite,
      subjects: parsed.peers,
      measurements: parsed.only,
      parameters: parsed.at,
      rounds: parsed.rounds ?? rounds,
      timing,
    },
    json: parsed.json,
    cpuProf: parsed.cpuProf,
    show: showOf('charts', parsed.charts) ?? showOf('markdown', parsed.markdown),
    figures: parsed.figures,
  };
}

function showOf(what: 'charts' | 'markdown', file: string | true | undefined): BenchOptions['show'] {
  return file === undefined ? undefined : { what, file: file === true ? undefined : file };
}

function roundsOf(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1_000) {
    throw new InvalidArgumentError('It must be an integer in 1 to 1000.');
  }
  return value;
}
