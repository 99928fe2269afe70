// Removes what building, testing and packing made. node_modules stays.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, root, run, withBuildLock } from './shared.mjs';

await run(() =>
  withBuildLock(async () => {
    const made = readJson(join(root, 'package.json')).workspaces.map((name) => `${name}/dist`);
    for (const path of [...made, 'native/build', 'native/prebuilds', 'dist-packages', 'coverage']) {
      rmSync(join(root, path), { recursive: true, force: true });
    }
  }),
);
