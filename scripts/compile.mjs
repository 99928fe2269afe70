// Compiles the data plane without Node.js, for its tests, fuzzers and measurements: only what changed, noted by the compiler.
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { executeOrStop, filesUnder, modified, nativeFolder } from './shared.mjs';

/** These need Node.js or libuv to compile. */
const needsNode = /^(addon.*|uv_loop)\.cc$/;
const jobs = 2;

/** The sources of the data plane that compile without Node.js, relative to the package. */
export const dataPlaneSources = () =>
  filesUnder(join(nativeFolder, 'src'), (name) => name.endsWith('.cc') && !needsNode.test(name)).map((name) => join('src', name));

/** Compiles what is stale of `sources` (relative to the package) into `folder`; returns all objects, in the order of the sources. */
export async function compileObjects({ compiler, flags, folder, sources }) {
  const units = sources.map((source) => ({ source, object: join(folder, source.replace(/\.cc$/, '.o')) }));
  for (const { object } of units) mkdirSync(dirname(object), { recursive: true });
  const stale = units.filter(isStale);
  const next = async () => {
    for (let unit = stale.shift(); unit; unit = stale.shift()) {
      const began = new Date();
      const args = [...flags, '-MMD', '-c', unit.source, '-o', unit.object];
      const output = await executeOrStop(`Compiling ${unit.source}`, compiler, args, { cwd: nativeFolder });
      if (output) process.stderr.write(output);
      // As old as what it was made from: a header saved while the compiler ran makes it stale.
      utimesSync(unit.object, began, began);
    }
  };
  await Promise.all(Array.from({ length: jobs }, next));
  return units.map(({ object }) => object);
}

/** Links `objects` to `binary` where one of them, or which they are, has changed. */
export async function linkBinary({ compiler, flags, objects, binary }) {
  const list = `${binary}.objects`;
  const text = objects.join('\n');
  const changed = !existsSync(binary) || !existsSync(list) || readFileSync(list, 'utf8') !== text;
  if (!changed && Math.max(...objects.map(modified)) < modified(binary)) return binary;
  const began = new Date();
  await executeOrStop(`Linking ${basename(binary)}`, compiler, [...flags, ...objects, '-o', binary], { cwd: nativeFolder });
  utimesSync(binary, began, began);
  writeFileSync(list, text);
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
