// Compiles what only the benchmark needs, where it is out of date: the limits' addon, and the protocol without Node.js.
//   node native/bench/build.mjs
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { compileObjects, dataPlaneSources, linkBinary } from '../../scripts/compile.mjs';
import { nativeFolder, nodeHeaders, requireTools, run, Stop, withBuildLock } from '../../scripts/shared.mjs';

const folder = join(nativeFolder, 'build', 'bench');
const compiler = process.env.CXX ?? 'g++';
/** As binding.gyp has them; its warnings are shown where the addon and the tests are built. */
const common = ['-std=c++20', '-O3', '-g', '-pthread', '-fPIC', '-Wno-stringop-overflow', '-I', 'src'];

/** For Node.js: a bare ring and memory itself, see limits_addon.cc. */
export const limitsAddon = join(folder, 'limits.node');
/** See channel_program.cc. */
export const channelProgram = join(folder, 'channel_program');

export async function buildBench() {
  await requireTools([[compiler]]);
  const headers = nodeHeaders();
  if (!headers)
    throw new Stop(`The headers of Node.js ${process.version} are not installed beside it: the benchmark cannot compile its limits.`);
  await withBuildLock(async () => {
    const channel = await compileObjects({ compiler, flags: common, folder, sources: [...dataPlaneSources(), 'bench/channel_program.cc'] });
    await linkBinary({ compiler, flags: ['-pthread'], objects: channel, binary: channelProgram });

    const nodeApi = dirname(createRequire(join(nativeFolder, 'package.json')).resolve('node-addon-api/package.json'));
    const includes = [join(headers, 'include', 'node'), nodeApi].flatMap((path) => ['-isystem', path]);
    const flags = [...common, ...includes, '-DNAPI_VERSION=9', '-DNAPI_CPP_EXCEPTIONS', '-DNODE_ADDON_API_DISABLE_DEPRECATED'];
    const limits = await compileObjects({ compiler, flags, folder, sources: ['bench/limits_addon.cc'] });
    await linkBinary({ compiler, flags: ['-shared'], objects: limits, binary: limitsAddon });
  });
}

if (process.argv[1] === import.meta.filename) await run(buildBench);
