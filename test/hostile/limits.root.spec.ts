/** What only root can set up: a file system that is full. scripts/test.mjs leaves *.root.spec.ts out where it is not run by root, and says so. */
import { expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeAfterwards, newServiceDirectory, startService } from '../support/index.js';

/** A tmpfs of that many inodes (its root takes one) and bytes, under a folder of the test. */
function mounted(inodes: number, size = '64k'): string {
  const directory = join(newServiceDirectory(), 'full');
  mkdirSync(directory, { mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=700,nr_inodes=${inodes},size=${size}`, 'tmpfs', directory]);
  closeAfterwards({ close: () => execFileSync('umount', ['--lazy', directory]) });
  return directory;
}

it.each([
  ['its folder', 1, []],
  ['its socket', 2, ['limits']],
])('a file system with no room for %s: a typed error, and nothing left', async (_, inodes, left) => {
  const directory = mounted(inodes);
  if (inodes === 2) mkdirSync(join(directory, 'limits'), { mode: 0o700 });
  const service = await startService('limited');
  const before = await service.call<object>('residue');
  expect(await service.call('listen', 'limits', directory)).toMatchObject({
    code: 'RSM_UNREACHABLE',
    message: expect.stringMatching(/ENOSPC|No space left/),
  });
  expect(readdirSync(directory)).toEqual(left);
  expect(left.flatMap((folder) => readdirSync(join(directory, folder)))).toEqual([]);
  expect(await service.call('residue')).toEqual(before);
});

it('a full disk, and room again: the same process listens then', async () => {
  const directory = mounted(3);
  mkdirSync(join(directory, 'limits'), { mode: 0o700 });
  writeFileSync(join(directory, 'the last inode'), '');
  const service = await startService('limited');
  expect(await service.call('listen', 'limits', directory)).toMatchObject({ code: 'RSM_UNREACHABLE' });
  rmSync(join(directory, 'the last inode'));
  expect(await service.call('listen', 'limits', directory)).toBeUndefined();
});
