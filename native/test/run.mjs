// Compiles the data plane without Node.js, links it with its tests and runs them.
//   node native/test/run.mjs [--sanitize=address,undefined | --sanitize=thread] [--define=NAME …] [--build-only] [filter]
// The last line printed is `N passed, N failed`.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileObjects, dataPlaneSources, linkBinary } from '../../scripts/compile.mjs';
import { execute, filesUnder, nativeFolder, requireTools, run, Stop, withBuildLock } from '../../scripts/shared.mjs';

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
  const tests = filesUnder(join(nativeFolder, 'test'), (name) => name.endsWith('_test.cc') || name === 'main.cc');
  const variant = ['test', ...(sanitize ? sanitize.split(',') : []), ...defines].join('-').replace(/[^\w-]/g, '_');
  const folder = join(nativeFolder, 'build', variant);
  const compiler = process.env.CXX ?? 'g++';
  const flags = ['-std=c++20', '-O1', '-g', '-Wall', '-Wextra', '-Werror=return-type', '-pthread', '-I', 'src', '-I', 'test'];
  flags.push(...defines.map((name) => `-D${name}`));
  const sanitizer = sanitize ? [`-fsanitize=${sanitize}`] : [];
  if (sanitize) flags.push(...sanitizer, '-fno-omit-frame-pointer', '-fno-sanitize-recover=all');

  const sources = [...dataPlaneSources(), ...tests.map((name) => join('test', name))];
  const objects = await compileObjects({ compiler, flags, folder, sources });
  return linkBinary({ compiler, flags: [...sanitizer, '-pthread'], objects, binary: join(folder, 'rsm_test') });
}

await run(main);
