// Puts the addon of this platform, stripped, where node-gyp-build looks for it in the published package: native/prebuilds/<platform>-<arch>.
// It is the very binary that the tests ran, so nothing is compiled a second time. Run it on the oldest glibc that is to be supported.
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { addonPath, execute, nativeFolder, run, Stop } from './shared.mjs';

export async function prebuild() {
  await build(['native']);
  if (!existsSync(addonPath)) throw new Stop('There is no addon to pack: native/src has no addon.cc');
  const folder = join(nativeFolder, 'prebuilds', `${process.platform}-${process.arch}`);
  mkdirSync(folder, { recursive: true });
  // The tag keeps node-gyp-build from loading it on musl.
  const libc = process.platform === 'linux' ? `.${process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'}` : '';
  const name = `nestjs-rsm${libc}.node`;
  const temporary = join(folder, `${name}.${process.pid}.tmp`);
  copyFileSync(addonPath, temporary);
  await execute('strip', process.platform === 'darwin' ? ['-x', temporary] : ['--strip-unneeded', temporary], { quiet: true });
  renameSync(temporary, join(folder, name));
  for (const other of readdirSync(folder)) if (other !== name) rmSync(join(folder, other));
}

if (process.argv[1] === import.meta.filename) await run(prebuild);
