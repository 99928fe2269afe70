// Compiles the data plane without Node.js, links it with its tests and runs them.
//   node native/test/run.mjs [--sanitize=address,undefined | --sanitize=thread] [--define=NAME …] [--build-only] [filter]
// The last line printed is `N passed, N failed`.
import { mkdirSync, readFileSync, existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  execute,
  executeOrStop,
  filesUnder,
  modified,
  nativeFolder,
  requireTools,
  run,
  Stop,
  withBuildLock,
} from '../../scripts/shared.mjs';

/** Only these need Node.js to compile. */
const needsNode = (name) => name.startsWith('addon') || name === 'uv_loop.cc';
const jobs = 2;

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { sanitize: { type: 'string' }, define: { type: 'string', multiple: true, default: [] }, 'build-only': { type: 'boolean' } },
  });
  await requireTools([[process.env.CXX ?? 'g++']]);
  const binary = await withBuildLock(() => compile(values.sanitize, values.define));
  if (values['build-only']) return;
  const { code } = await execute(binary, positionals, { cwd: nativeFolder });
  process.exitCode = code === 0 ? 0 : 1;
  if (typeof code === 'string') throw new Stop(`The tests were ended by ${code}\n0 passed, 1 failed`);
}

async function compile(sanitize, defines) {
  const sources = filesUnder(join(nativeFolder, 'src'), (name) => name.endsWith('.cc') && !needsNode(name)).map((name) =>
    join('src', name),
  );
  const tests = filesUnder(
    join(nativeFolder, 'test'),
    (name) => name.endsWith('.cc') && (name.endsWith('_test.cc') || name === 'main.cc'),
  ).map((name) => join('test', name));
  const variant = ['test', ...(sanitize ? sanitize.split(',') : []), ...defines].join('-').replace(/[^\w-]/g, '_');
  const folder = join(nativeFolder, 'build', variant);
  mkdirSync(join(folder, 'src'), { recursive: true });
  mkdirSync(join(folder, 'test'), { recursive: true });

  const flags = ['-std=c++20', '-O1', '-g', '-Wall', '-Wextra', '-Werror=return-type', '-pthread', '-I', 'src', '-I', 'test'];
  flags.push(...defines.map((name) => `-D${name}`));
  if (sanitize) flags.push(`-fsanitize=${sanitize}`, '-fno-omit-frame-pointer', '-fno-sanitize-recover=all');

  const units = [...sources, ...tests].map((source) => ({ source, object: join(folder, `${source.slice(0, -'.cc'.length)}.o`) }));
  const stale = units.filter(isStale);
  const compiler = process.env.CXX ?? 'g++';
  const next = async () => {
    for (let unit = stale.shift(); unit; unit = stale.shift()) {
      const output = await executeOrStop(`Compiling ${unit.source}`, compiler, [...flags, '-MMD', '-c', unit.source, '-o', unit.object], {
        cwd: nativeFolder,
      });
      if (output) process.stderr.write(output);
    }
  };
  await Promise.all(Array.from({ length: jobs }, next));

  const binary = join(folder, 'rsm_test');
  const objects = units.map(({ object }) => object);
  const listPath = join(folder, 'objects.txt');
  const list = objects.join('\n');
  const relink = !existsSync(listPath) || readFileSync(listPath, 'utf8') !== list || Math.max(...objects.map(modified)) >= modified(binary);
  if (relink) {
    const linked = [...flags.filter((flag) => flag.startsWith('-fsanitize') || flag === '-pthread'), ...objects, '-o', binary];
    await executeOrStop('Linking the tests', compiler, linked, { cwd: nativeFolder });
    writeFileSync(listPath, list);
  }
  return binary;
}

/** Older than its source or one of the headers that the compiler noted beside it. */
function isStale({ source, object }) {
  const built = modified(object);
  const notes = object.replace(/\.o$/, '.d');
  if (built === 0 || !existsSync(notes)) return true;
  const inputs = readFileSync(notes, 'utf8').replace(/\\\n/g, ' ').split(/\s+/).slice(1).filter(Boolean);
  return [source, ...inputs].some((path) => {
    const time = modified(resolve(nativeFolder, path));
    return time === 0 || time >= built;
  });
}

await run(main);
