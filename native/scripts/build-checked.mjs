// Compiles the addon with what only tests look at, beside the usual one:
//   node native/scripts/build-checked.mjs [--define=NAME …] [--sanitize=address,undefined]     default: --define=RSM_WAKE_CHECKS
// and prints the path of the .node file. RSM_NATIVE_ADDON=<path> makes a process load it (docs/operations.md).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileObjects, linkBinary } from '../../scripts/compile.mjs';
import { filesUnder, nativeFolder, requireTools, run, withBuildLock } from '../../scripts/shared.mjs';

/** Compiles what is stale; the path of the .node file. `npm run build` must have run once: it finds the headers of Node.js. */
export async function buildChecked({ defines = ['RSM_WAKE_CHECKS'], sanitize } = {}) {
  const compiler = process.env.CXX ?? 'g++';
  await requireTools([[compiler]]);
  const folder = join(nativeFolder, 'build', ['checked', ...defines, ...(sanitize?.split(',') ?? [])].join('-'));
  const [, nodedir] = /"nodedir": "(.*)"/.exec(readFileSync(join(nativeFolder, 'build', 'config.gypi'), 'utf8'));
  const addonApi = join(nativeFolder, 'node_modules', 'node-addon-api');
  const sanitizer = sanitize ? [`-fsanitize=${sanitize}`] : [];
  const gyp = readFileSync(join(nativeFolder, 'binding.gyp'), 'utf8');
  const usual = [.../'defines': \[([^\]]*)\]/.exec(gyp)[1].matchAll(/'(\w+(?:=\w+)?)'/g)].map(([, name]) => name);
  const flags = ['-std=c++20', '-O2', '-g', '-fPIC', '-pthread', '-fvisibility=hidden', '-Wno-cast-function-type', ...sanitizer];
  flags.push('-I', 'src', '-I', addonApi, '-I', join(nodedir, 'include', 'node'));
  flags.push(...[...usual, 'NODE_GYP_MODULE_NAME=rsm', 'BUILDING_NODE_EXTENSION', ...defines].map((name) => `-D${name}`));
  const sources = filesUnder(join(nativeFolder, 'src'), (name) => name.endsWith('.cc')).map((name) => join('src', name));
  return withBuildLock(async () => {
    const objects = await compileObjects({ compiler, flags, folder, sources });
    const link = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared', '-pthread'];
    return linkBinary({ compiler, flags: [...link, ...sanitizer], objects, binary: join(folder, 'rsm.node') });
  });
}

async function main() {
  const { values } = parseArgs({ options: { define: { type: 'string', multiple: true }, sanitize: { type: 'string' } } });
  console.log(await buildChecked({ defines: values.define, sanitize: values.sanitize }));
}

if (process.argv[1] === import.meta.filename) await run(main);
