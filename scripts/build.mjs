// Builds everything that is out of date: the native addon, the libraries (ES modules and CommonJS), the apps, the test services.
// `npm run build` does all; `npm run build -- native libs/segments` only the folders named (and what they need).
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  addonPath,
  command,
  executeOrStop,
  filesUnder,
  modified,
  nativeFolder,
  nodeHeaders,
  readJson,
  requireTools,
  root,
  run,
  withBuildLock,
} from './shared.mjs';

export async function build(folders = []) {
  await withBuildLock(async () => {
    if (folders.length === 0 || folders.includes('native')) await buildAddon();
    await buildTypeScript(folders);
  });
}

async function buildAddon() {
  const sources = filesUnder(join(nativeFolder, 'src'), (name) => /\.(cc|hpp)$/.test(name));
  if (!sources.includes('addon.cc')) return;
  const inputs = [join(nativeFolder, 'binding.gyp'), ...sources.map((name) => join(nativeFolder, 'src', name))];
  const stampPath = join(nativeFolder, 'build', 'stamp.json');
  const stamp = existsSync(stampPath) && existsSync(addonPath) ? readJson(stampPath) : undefined;
  const unchanged = stamp?.node === process.version && stamp.sources.join() === sources.join();
  if (unchanged && Math.max(...inputs.map(modified)) < stamp.startedAt) return;

  const startedAt = Date.now();
  await requireTools([['g++', 'c++', 'clang++'], ['make'], ['python3', 'python']]);
  const headers = nodeHeaders();
  const gyp = [command('node-gyp'), ...(headers ? [`--nodedir=${headers}`] : []), '--jobs=2'];
  await executeOrStop('Configuring the native addon', process.execPath, [...gyp, 'configure'], { cwd: nativeFolder });
  await executeOrStop('Compiling the native addon', process.execPath, [...gyp, 'build'], { cwd: nativeFolder });
  writeFileSync(stampPath, JSON.stringify({ node: process.version, startedAt, sources }));
}

async function buildTypeScript(folders) {
  // A package without sources yet is not an error.
  const projects = readJson(join(root, 'tsconfig.json'))
    .references.map(({ path }) => path)
    .filter((path) => folders.length === 0 || folders.includes(dirname(path)))
    .filter((path) => {
      const options = readJson(join(root, path)).compilerOptions;
      return (
        filesUnder(join(root, dirname(path), options.rootDir), (name) => name.endsWith('.ts') && !name.endsWith('.spec.ts')).length > 0
      );
    });
  // `tsc -b` does not look whether declarations outside its projects have changed: the addon's, and those that npm installed.
  const declarations = ['native/index.d.ts', 'package-lock.json'].map((path) => readFileSync(join(root, path), 'utf8'));
  const digest = createHash('sha256').update(declarations.join()).digest('hex');
  const digestPath = join(root, 'build', 'declarations.txt');
  const force = !existsSync(digestPath) || readFileSync(digestPath, 'utf8') !== digest;
  if (projects.length > 0) {
    const options = ['-b', '--pretty', 'false', ...(force ? ['--force'] : [])];
    await executeOrStop('TypeScript', process.execPath, [command('typescript', 'tsc'), ...options, ...projects]);
  }
  if (folders.length === 0) writeFileSync(digestPath, digest);
  // Without this, Node.js would take the CommonJS build for ES modules: the package itself is "type": "module".
  for (const path of projects.filter((name) => name.endsWith('tsconfig.cjs.json'))) {
    const marker = join(root, dirname(path), 'dist', 'cjs', 'package.json');
    if (!existsSync(marker)) writeFileSync(marker, '{ "type": "commonjs" }\n');
  }
}

if (process.argv[1] === import.meta.filename) await run(() => build(process.argv.slice(2)));
