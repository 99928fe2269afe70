import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import lockfile from 'proper-lockfile';

const require = createRequire(import.meta.url);

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const nativeFolder = join(root, 'native');
export const addonPath = join(nativeFolder, 'build', 'Release', 'rsm.node');

/** The JavaScript file behind a package's command, so that no shell and no PATH is involved. */
export function command(packageName, name = packageName) {
  const manifest = require.resolve(`${packageName}/package.json`);
  const { bin } = readJson(manifest);
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[name]);
}

/** A failure that was explained to the reader already: print the message without a stack. */
export class Stop extends Error {}

/** Runs `main` and turns a Stop into its message and exit code 1. */
export async function run(main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Stop ? error.message : error);
    process.exitCode = 1;
  }
}

/**
 * Runs a program; resolves with its exit code (or signal name) and its output. `quiet` collects the output instead of
 * showing it, `hideStandardOutput` drops one stream.
 */
export function execute(program, args, { cwd = root, env = process.env, quiet = false, hideStandardOutput = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env,
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['inherit', hideStandardOutput ? 'ignore' : 'inherit', 'inherit'],
    });
    let output = '';
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: signal ?? code, output }));
  });
}

/** Milliseconds after which a step that is still running says what it does. */
const SILENCE = 2_000;

/** Like execute, quiet, but a failure prints the output and stops, and one that takes long is named. */
export async function executeOrStop(what, program, args, options) {
  const timer = setTimeout(() => console.error(`${what} …`), SILENCE);
  const { code, output } = await execute(program, args, { ...options, quiet: true }).finally(() => clearTimeout(timer));
  if (code !== 0) throw new Stop(`${output.trim()}\n${what} failed (${code})`);
  return output;
}

/** Files under a folder, relative to it, sorted; node_modules and dist are left out. A missing folder has none. */
export function filesUnder(folder, accept) {
  if (!existsSync(folder)) return [];
  const walk = (at) =>
    readdirSync(join(folder, at), { withFileTypes: true }).flatMap((entry) => {
      if (entry.isDirectory()) return ['node_modules', 'dist'].includes(entry.name) ? [] : walk(join(at, entry.name));
      return accept(entry.name) ? [join(at, entry.name)] : [];
    });
  return walk('').sort();
}

export const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

export const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Runs `work` while no other process of this checkout builds, packs or cleans. */
export async function withBuildLock(work) {
  const folder = join(root, 'build');
  mkdirSync(folder, { recursive: true });
  const release = await lockfile.lock(folder, {
    stale: 15_000,
    retries: { retries: 1200, factor: 1, minTimeout: 500, maxTimeout: 500 },
  });
  try {
    return await work();
  } finally {
    await release();
  }
}

/** Where the headers of the Node.js that runs this are installed, so that node-gyp need not fetch them; undefined where they are not. */
export function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath));
  const version = join(prefix, 'include', 'node', 'node_version.h');
  if (!existsSync(join(prefix, 'include', 'node', 'node_api.h')) || !existsSync(version)) return undefined;
  const text = readFileSync(version, 'utf8');
  const number = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1];
  const installed = [number('MAJOR'), number('MINOR'), number('PATCH')].join('.');
  return installed === process.versions.node ? prefix : undefined;
}

/** Stops with what to install where a compiler, make or Python is missing. */
export async function requireTools(names) {
  const missing = [];
  for (const alternatives of names) {
    const found = await Promise.all(alternatives.map((name) => execute('sh', ['-c', `command -v ${name}`], { quiet: true })));
    if (found.every(({ code }) => code !== 0)) missing.push(alternatives[0]);
  }
  if (missing.length > 0) {
    throw new Stop(
      `The native addon is compiled from source here and needs ${missing.join(', ')}, which this machine lacks. ` +
        'On Debian and Ubuntu: apt-get install g++ make python3. On macOS: xcode-select --install.',
    );
  }
}
