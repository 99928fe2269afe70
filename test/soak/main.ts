/**
 * Kills, stops and replaces the servers and clients of one service at random while numbered events and requests are on their way, then holds what the processes
 * wrote down against docs/guarantees.md. Exit code 1 where anything was lost, repeated without leave, out of order, torn, or left behind.
 *   npm run soak -- [--minutes 5 | --seconds 30] [--seed N] [--servers 3] [--clients 4] [--short] [--keep]
 * --short: faults and timeouts follow one another faster. --keep: journals and logs stay.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { RsmClientOptions } from 'nestjs-rsm';
import { Director, mebibytes, median } from './director.js';
import { bringTogether, type RunProcess } from './history.js';
import { readJournal } from './journal.js';
import { judge } from './judge.js';
import type { ClientSettings } from './link.js';
import { plan } from './plan.js';
import type { SoakProcess } from './processes.js';
import { printVerdict } from './report.js';

const MOST_VIOLATIONS = 20;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    servers: { type: 'string', default: '3' },
    clients: { type: 'string', default: '4' },
    short: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});

function number(name: 'minutes' | 'seconds' | 'seed' | 'servers' | 'clients', least: number): number {
  const value = Number(values[name]);
  if (!Number.isFinite(value) || value < least) throw new Error(`--${name} ${values[name]}: a number of at least ${least} is needed`);
  return value;
}

function recordOf({ role, name, ended, endsAt, journal, settings }: SoakProcess): RunProcess {
  const { maxAttempts, connectTimeout } = settings.options as RsmClientOptions;
  const { floods = false } = settings as Partial<ClientSettings>;
  return { role, name, ended, endsAt, lines: readJournal(journal), maxAttempts, connectTimeout, floods };
}

async function main(): Promise<boolean> {
  const seed = number('seed', 0);
  const seconds = values.seconds === undefined ? number('minutes', 0) * 60 : number('seconds', 0);
  const [servers, clients] = [number('servers', 2), number('clients', 2)];
  const root = mkdtempSync(join(realpathSync(tmpdir()), 'rsm-s-'));
  const [directory, folder] = [join(root, 'd'), join(root, 'j')];
  [directory, folder].forEach((path) => mkdirSync(path, { mode: 0o700 }));
  const steps = plan({ seed, duration: seconds * 1_000, pace: values.short ? 700 : 1_200, stop: values.short ? 1_300 : 3_000 });
  const director = new Director({ seed, servers, clients, pace: values.short ? 12 : 20, directory, folder });
  console.log(
    `Seed ${seed}: ${steps.length} faults in ${seconds} s, ${servers} servers and ${clients} clients. Repeat the plan with --seed ${seed}.`,
  );
  let well = false;
  // A stopped process would outlive this one.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      director.killAll();
      process.exit(1);
    });
  }
  try {
    await director.run(steps, seconds * 1_000, (line) => console.log(line));
    const history = bringTogether(director.processes.map(recordOf));
    const verdict = judge(history);
    const violations = [...director.violations, ...verdict.violations];
    printVerdict(verdict, history, director.faults, director.processes);
    for (const [{ name }, samples] of director.memory) {
      if (samples.length >= 12)
        console.log(`Memory of ${name}: median ${mebibytes(median(samples))}, at most ${mebibytes(Math.max(...samples))}`);
    }
    for (const { rule, text } of violations.slice(0, MOST_VIOLATIONS)) console.log(`\nVIOLATION (${rule}): ${text}`);
    if (violations.length > MOST_VIOLATIONS) console.log(`\n… and ${violations.length - MOST_VIOLATIONS} more`);
    well = violations.length === 0;
    console.log(
      well ? '\nNothing lost, nothing repeated without leave, order kept.' : `\nFAILED: ${violations.length} violations; seed ${seed}.`,
    );
  } finally {
    director.killAll();
    if (values.keep || !well) console.log(`Journals and logs: ${folder}`);
    if (!values.keep && well) rmSync(root, { recursive: true, force: true });
  }
  return well;
}

process.exitCode = (await main()) ? 0 : 1;
