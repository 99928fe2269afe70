// `npm run soak`: builds everything, and an addon that counts missed wake-ups, then runs the soak with it. Arguments: see main.ts.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { buildChecked } from '../../native/scripts/build-checked.mjs';
import { build } from '../../scripts/build.mjs';
import { run } from '../../scripts/shared.mjs';

await run(async () => {
  await build();
  const env = { ...process.env, RSM_NATIVE_ADDON: await buildChecked() };
  const script = join(import.meta.dirname, '..', 'dist', 'soak', 'main.js');
  const child = spawn(process.execPath, [script, ...process.argv.slice(2)], { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
});
