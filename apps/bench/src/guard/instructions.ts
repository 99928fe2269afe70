import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../server-program.js';
import type { Build } from './builds.js';
import { type Functions, parseCallgrind } from './callgrind.js';

/** What one build executed for a fixed amount of work. */
export interface Count {
  readonly instructions: number;
  /** Of C++, where callgrind knows the names. */
  readonly functions?: Functions;
}

export interface Work {
  readonly name: string;
  /** Part by which counts differ between two runs of the same build. */
  readonly threshold: number;
  /** undefined: this build has no such program. */
  count(build: Build, folder: string): Count | undefined;
}

/** Messages: of the C++ workload, and of Node's. */
const MESSAGES = 20_000;
const EVENTS = 4_096;

/** native/bench's `channel_program work`: the data plane alone, one process, no clock. */
export const dataPlane: Work = {
  name: 'data plane, C++',
  threshold: 0.01,
  count(build, folder) {
    const script = join(build.folder, 'native', 'bench', 'build.mjs');
    if (!existsSync(script)) return undefined;
    execFileSync(process.execPath, [script], { cwd: build.folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const program = join(build.folder, 'native', 'build', 'bench', 'channel_program');
    return callgrind([program, 'work', String(MESSAGES)], folder);
  },
};

/** guard/node-work.js: client and server of Nest in one Node without its compiler, whose timing would change the count. What starting costs is taken off. */
export const nodePipeline: Work = {
  name: 'events and requests through Nest, Node without JIT',
  threshold: 0.03,
  count(build, folder) {
    const instructions = (events: number): number => {
      const node = [process.execPath, '--jitless', '--single-threaded', fileURLToPath(new URL('guard/node-work.js', build.programs))];
      const command = [...node, mkdtempSync(join(folder, 'work-')), String(events)];
      return hasCounters() ? perf(command) : callgrind(command, folder, ['--smc-check=all-non-file']).instructions;
    };
    return { instructions: instructions(EVENTS) - instructions(0) };
  },
};

/** false: callgrind must count, and Node takes minutes under it. */
export function hasCounters(): boolean {
  const { status, stdout } = spawnSync('perf', ['stat', '-x,', '-o', '/dev/stdout', '-e', 'instructions:u', 'true'], { encoding: 'utf8' });
  return status === 0 && /^\d+,/m.test(stdout);
}

export function hasCallgrind(): boolean {
  return findProgram('valgrind') !== undefined;
}

function perf(command: readonly string[]): number {
  const output = execFileSync('perf', ['stat', '-x,', '-o', '/dev/stdout', '-e', 'instructions:u', ...command], { encoding: 'utf8' });
  return Number(/^(\d+),/m.exec(output)![1]);
}

function callgrind(command: readonly string[], folder: string, options: readonly string[] = []): Count {
  const out = join(mkdtempSync(join(folder, 'callgrind-')), 'out');
  const { status, stderr } = spawnSync('valgrind', ['--tool=callgrind', `--callgrind-out-file=${out}`, ...options, ...command], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`"${command.join(' ')}" failed under callgrind:\n${stderr.slice(-2_000)}`);
  const { total, functions } = parseCallgrind(readFileSync(out, 'utf8'));
  return { instructions: total, functions };
}
