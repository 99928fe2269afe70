// ESLint, Prettier, and the types of everything that the build leaves out (specs). Needs what the build makes, so builds first.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { command, execute, filesUnder, readJson, root, run, Stop } from './shared.mjs';

await run(async () => {
  await build();
  const failed = [];
  const step = async (name, args) => {
    const { code } = await execute(process.execPath, args);
    if (code !== 0) failed.push(name);
  };
  await step('prettier', [command('prettier'), '--check', '--log-level=warn', '.']);
  await step('eslint', [command('eslint'), '--max-warnings=0', '.']);
  for (const workspace of readJson(join(root, 'package.json')).workspaces) {
    const config = join(root, workspace, 'tsconfig.json');
    const hasSpecs = filesUnder(join(root, workspace), (name) => name.endsWith('.spec.ts')).length > 0;
    if (existsSync(config) && hasSpecs) await step(`types of ${workspace}`, [command('typescript', 'tsc'), '-p', config]);
  }
  if (failed.length > 0) throw new Stop(`Failed: ${failed.join(', ')}`);
});
