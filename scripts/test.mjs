// Builds, runs the tests and ends with one line: `N passed, N failed`. Exit code 1 where anything failed or nothing ran.
//   node scripts/test.mjs [native | crash | replay | wakes | unit | e2e | hostile] [arguments for the test binary or Jest]
import { mkdirSync, mkdtempSync, existsSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build } from './build.mjs';
import { command, execute, nativeFolder, readJson, root, run } from './shared.mjs';

/** Programs of their own, that end with a line `N passed, N failed`. */
const programs = {
  native: ['C++', join(nativeFolder, 'test', 'run.mjs')],
  crash: ['Crash points', join(nativeFolder, 'test', 'run.mjs'), '--define=RSM_CRASH_POINTS', 'crash points'],
  replay: ['Kept fuzz inputs', join(nativeFolder, 'fuzz', 'run.mjs'), '--replay'],
  wakes: ['Wake checks', join(nativeFolder, 'test', 'wakes.mjs')],
};
const jestProjects = ['unit', 'e2e', 'hostile'];

async function main() {
  const [first, ...rest] = process.argv.slice(2);
  const kind = first in programs || jestProjects.includes(first) ? first : undefined;
  const extra = kind || first === undefined ? rest : [first, ...rest];

  const totals = [];
  if (!(kind in programs)) await build();
  for (const name of kind === undefined ? Object.keys(programs) : Object.keys(programs).filter((name) => name === kind)) {
    totals.push(await programTests(programs[name], kind ? extra : []));
  }
  if (!(kind in programs)) totals.push(await jestTests(kind ? [kind] : jestProjects, extra));

  const passed = totals.reduce((sum, total) => sum + total.passed, 0);
  const failed = totals.reduce((sum, total) => sum + total.failed, 0);
  const ended = totals.every((total) => total.ended);
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0 || !ended) process.exitCode = 1;
}

/** Shows a program's output but for the last line, which is counted. */
async function programTests([title, ...program], args) {
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  const match = /^(\d+) passed, (\d+) failed\s*$/m.exec(output);
  process.stdout.write(output.replace(match?.[0] ?? '', ''));
  if (!match) return { passed: 0, failed: 1, ended: false };
  const [passed, failed] = match.slice(1).map(Number);
  console.log(`${title}: ${passed} passed, ${failed} failed`);
  return { passed, failed, ended: code === 0 };
}

async function jestTests(projects, args) {
  const base = join(root, 'build');
  mkdirSync(base, { recursive: true });
  const folder = mkdtempSync(join(base, 'jest-'));
  const results = join(folder, 'results.json');
  const options = ['--selectProjects', ...projects, '--json', `--outputFile=${results}`, '--passWithNoTests', ...args];
  const NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`.trim();
  try {
    const { code } = await execute(process.execPath, [command('jest'), '--silent=false', ...options], {
      env: { ...process.env, NODE_OPTIONS },
      hideStandardOutput: true,
    });
    if (!existsSync(results)) return { passed: 0, failed: 1, ended: false };
    const result = readJson(results);
    // A file that cannot even be loaded has no tests to count: it is one failure. A skipped test is none passed.
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites + result.numPendingTests + result.numTodoTests;
    console.log(`Jest: ${result.numPassedTests} passed, ${failed} failed`);
    if (projects.includes('hostile') && process.getuid?.() !== 0) console.log('Not root: test/hostile/*.root.spec.ts did not run.');
    return { passed: result.numPassedTests, failed, ended: code === 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await run(main);
