// Packs the published packages as npm would publish them, into dist-packages/. Prints the tarballs' paths.
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { prebuild } from './prebuild.mjs';
import { executeOrStop, readJson, root, run } from './shared.mjs';

await run(async () => {
  await build();
  await prebuild();
  const target = join(root, 'dist-packages');
  const fresh = join(root, 'build', `packages-${process.pid}`);
  mkdirSync(fresh, { recursive: true });
  try {
    for (const folder of ['native', 'libs/segments', 'libs/transport']) {
      await executeOrStop(`Packing ${folder}`, 'npm', ['pack', '--ignore-scripts', `--pack-destination=${fresh}`], {
        cwd: join(root, folder),
      });
    }
    mkdirSync(target, { recursive: true });
    for (const folder of ['native', 'libs/segments', 'libs/transport']) {
      const { name, version } = readJson(join(root, folder, 'package.json'));
      const tarball = `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;
      renameSync(join(fresh, tarball), join(target, tarball));
      console.log(join('dist-packages', tarball));
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
});
