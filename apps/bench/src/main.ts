import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Presets, SingleBar } from 'cli-progress';
import { writeCharts } from './charts/index.js';
import { Benchmark } from './benchmark.js';
import { BenchChild } from './child-process.js';
import { describeMachine } from './machine.js';
import { formatMarkdown } from './markdown.js';
import { type BenchOptions, parseOptions } from './options.js';
import { formatReport } from './report.js';
import { newestResults, readResults, writeResults } from './result-file.js';
import { ServerProgram } from './server-program.js';
import { suites } from './suites.js';

const { settings, json, cpuProf, show, figures } = parseOptions(process.argv, suites);
if (show) {
  showKept(show, json, figures);
  process.exit();
}
const machine = describeMachine();
const startedAt = new Date();
const folder = mkdtempSync(join(tmpdir(), 'rsm-bench-'));
const bar = new SingleBar({ format: '{bar} {value}/{total} {text}', clearOnComplete: true, hideCursor: true }, Presets.shades_classic);

// Whatever ends this program: no process and no file stays behind.
process.on('exit', () => {
  BenchChild.killAll();
  ServerProgram.killAll();
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
    suites,
    settings,
    folder,
    (text, done, total) => {
      if (bar.isActive) bar.update(done, { text });
      else bar.start(total, 0, { text });
    },
    cpuProf,
  );
  if (benchmark.isEmpty) throw new Error('No subject has such a measurement at such a parameter: nothing to measure.');
  const results = await benchmark.run();
  bar.stop();
  console.log(`${formatReport(results, machine, suites)}\n`);
  const path = writeResults(json, startedAt, machine, settings, results);
  const failed = results.absences.some((absence) => absence.failed);
  console.log(`Kept in ${path}. ${failed ? 'A subject FAILED, see above.' : 'Every message arrived once, in order and unchanged.'}`);
  if (failed) process.exitCode = 1;
} catch (error) {
  bar.stop();
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function showKept({ what, file }: NonNullable<BenchOptions['show']>, folder: string, figures: string): void {
  const kept = readResults(file ?? newestResults(folder));
  if (what === 'markdown') console.log(formatMarkdown(kept, suites));
  else console.log(writeCharts(figures, kept.rows).join('\n') || 'These results have no rows that a chart shows: measure with --full.');
}
