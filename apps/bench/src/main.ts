import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Presets, SingleBar } from 'cli-progress';
import { Benchmark } from './benchmark.js';
import { BenchChild } from './child-process.js';
import { describeMachine } from './machine.js';
import { parseOptions } from './options.js';
import { formatReport } from './report.js';
import { writeResults } from './result-file.js';

const { settings, json, cpuProf } = parseOptions(process.argv);
const machine = describeMachine();
const startedAt = new Date();
const folder = mkdtempSync(join(tmpdir(), 'rsm-bench-'));
const bar = new SingleBar({ format: '{bar} {value}/{total} {text}', clearOnComplete: true, hideCursor: true }, Presets.shades_classic);

// Whatever ends this program: no process and no file stays behind.
process.on('exit', () => {
  BenchChild.killAll();
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    bar.stop();
    process.exit(128 + constants.signals[signal]);
  });
}

try {
  const benchmark = new Benchmark(
    settings,
    folder,
    (text, done, total) => {
      if (done === 0) bar.start(total, 0, { text });
      else bar.update(done, { text });
    },
    cpuProf,
  );
  if (benchmark.isEmpty) throw new Error('No peer has such a workload with such a payload: nothing to measure.');
  const results = await benchmark.run();
  bar.stop();
  console.log(`${formatReport(results, machine, settings.rounds)}\n`);
  console.log(`Kept in ${writeResults(json, startedAt, machine, settings, results)}. Every message arrived once, in order and unchanged.`);
} catch (error) {
  bar.stop();
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
