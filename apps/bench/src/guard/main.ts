/** `npm run bench:guard -- [base]`: compares this checkout with a commit and says what got slower. Exit code 1 where something did. */
import { rmSync } from 'node:fs';
import { constants } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { Benchmark } from '../benchmark.js';
import { BenchChild } from '../child-process.js';
import { absences } from '../report.js';
import { formatTable } from '../table.js';
import { baseBuild, branchBuild, type Build, git, removeBase, temporaryFolder } from './builds.js';
import { grown } from './callgrind.js';
import { type Count, dataPlane, hasCallgrind, hasCounters, nodePipeline, type Work } from './instructions.js';
import { guardSuites } from './suites.js';
import { compareRows, type Comparison, judgeCost, verdictTable } from './verdict.js';

interface Parsed {
  rounds: number;
  threshold: number;
  node?: boolean;
  time: boolean;
  keep?: boolean;
}

/** Too far apart between two runs of the same build, or a rate once more. */
const LEFT_OUT = ['p99', 'throughput'];
const TIMING = { warmUp: 300, time: 600 };
/** Functions named where the data plane got slower. */
const NAMED = 8;

const program = new Command('npm run bench:guard --')
  .description(
    'Compares this checkout with a commit, by ratios of interleaved rounds and by counts of instructions, and says what got slower.',
  )
  .argument('[base]', 'commit, branch or tag', 'main')
  .option('--rounds <n>', 'rounds of the ratios, 3 at least', numberFrom(3), 7)
  .option('--threshold <percent>', 'slower by more than this is too slow', numberFrom(0), 10)
  .option('--no-time', 'count instructions only')
  .option('--node', 'count the instructions of Node even where the processor lends no counters: minutes')
  .option('--keep', 'keep the built base for the next guard')
  .parse();
const options = program.opts<Parsed>();
const folder = temporaryFolder();

process.on('exit', () => {
  BenchChild.killAll();
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(128 + constants.signals[signal]));

try {
  process.exitCode = await guard(program.processedArgs[0] as string);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function guard(name: string): Promise<number> {
  const branch = branchBuild();
  const commit = git(branch.folder, 'rev-parse', '--verify', `${name}^{commit}`);
  const base = baseBuild(branch, commit, console.log);
  try {
    console.log(`Compared with ${name} (${commit.slice(0, 12)}):\n`);
    const comparisons = [...countInstructions([base, branch]), ...(options.time ? await measureRatios([base, branch]) : [])];
    const slower = comparisons.filter(({ verdict }) => verdict === 'slower');
    console.log(formatTable(verdictTable(comparisons)));
    console.log(slower.length === 0 ? '\nNothing got slower.' : `\nSlower: ${slower.map(({ what }) => what).join('; ')}`);
    return slower.length === 0 ? 0 : 1;
  } finally {
    if (!options.keep) removeBase(branch, base.folder);
  }
}

function countInstructions(builds: readonly Build[]): Comparison[] {
  const works: Work[] = [];
  if (hasCallgrind()) works.push(dataPlane);
  else console.log('Instructions are not counted: valgrind is not installed (Debian: apt-get install valgrind).');
  if (hasCounters() || (options.node && hasCallgrind())) works.push(nodePipeline);
  else console.log("Node's instructions are not counted: this processor lends no counters (perf stat); --node counts them with callgrind.");
  return works.flatMap((work) => {
    const [base, branch] = builds.map((build) => work.count(build, folder));
    if (!base || !branch) {
      console.log(`${work.name}: a build has no such program; left out.`);
      return [];
    }
    const comparison = judgeCost(`instructions: ${work.name}`, [branch.instructions / base.instructions], work.threshold);
    if (comparison.verdict === 'slower') tellFunctions(base, branch);
    return [comparison];
  });
}

function tellFunctions(base: Count, branch: Count): void {
  if (!base.functions || !branch.functions) return;
  const lines = grown(base.functions, branch.functions, NAMED).map(([name, instructions]) => `  +${instructions} ${name}`);
  console.log(`Instructions that were added:\n${lines.join('\n')}\n`);
}

async function measureRatios(builds: readonly Build[]): Promise<Comparison[]> {
  const settings = { full: true, rounds: options.rounds, timing: TIMING };
  const results = await new Benchmark(guardSuites(builds), settings, folder, () => undefined).run();
  const failed = absences(results);
  if (failed.length > 0) throw new Error(failed.join('\n'));
  return compareRows(results, 'base', 'branch', options.threshold / 100, LEFT_OUT);
}

function numberFrom(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isFinite(value) || value < least) throw new InvalidArgumentError(`It must be a number, ${least} at least.`);
    return value;
  };
}
