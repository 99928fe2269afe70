// Connections that are killed at any point of their life, 1,000 of them (`-- --cycles 5000` for more): descriptors, mappings, memory, sockets and /dev/shm as before.
import { parseArgs } from 'node:util';
import { execute, root, run } from '../../scripts/shared.mjs';
import { join } from 'node:path';

const { values } = parseArgs({ options: { cycles: { type: 'string', default: '1000' } } });

await run(async () => {
  const { code } = await execute(process.execPath, [join(root, 'scripts', 'test.mjs'), 'hostile', 'leaks.spec'], {
    env: { ...process.env, RSM_TEST_CYCLES: values.cycles },
  });
  process.exitCode = code;
});
