/** What only root can try: other users and groups. scripts/test.mjs leaves *.root.spec.ts out where it is not run by root, and says so. */
import { describe, expect, it } from '@jest/globals';
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Connector } from '@nestjs-rsm/segments';
import { hostile } from '../support/hostile-peer.js';
import { useHostileTarget } from '../support/hostile-target.js';
import { closeAfterwards, newServiceDirectory, startService } from '../support/index.js';

const NOBODY = 65_534;
const GROUP = 4_711;

const target = useHostileTarget();

it('refuses a process of another user, also where the folder lets it come near', async () => {
  expect(await hostile(target.path, 'as_user', NOBODY)).toMatchObject({ code: 'EACCES' });
  const folders = [dirname(dirname(target.path)), dirname(target.path)];
  folders.forEach((folder) => chmodSync(folder, 0o755));
  chmodSync(target.path, 0o777);
  try {
    const outcome = await hostile(target.path, 'as_user', NOBODY);
    expect(outcome).toMatchObject({ ended: true, code: 'RSM_PERMISSION_DENIED' });
    expect(outcome.text).toContain(`uid ${NOBODY}`);
    await target.logged(`uid ${NOBODY}`);
  } finally {
    chmodSync(target.path, 0o600);
    folders.forEach((folder) => chmodSync(folder, 0o700));
  }
});

describe('allow.gids', () => {
  async function grouped(): Promise<{ directory: string; path: string }> {
    const directory = newServiceDirectory();
    chmodSync(directory, 0o755);
    const listener = await startService('segments-listener', { directory });
    const { path } = await listener.call<{ path: string }>('open', { service: 'grouped', directory, allow: { gids: [GROUP] } });
    return { directory, path };
  }

  it('gives folder and socket to that group: 2750, and 0660', async () => {
    const { path } = await grouped();
    expect(statSync(path)).toMatchObject({ gid: GROUP });
    expect(statSync(path).mode & 0o777).toBe(0o660);
    expect(statSync(dirname(path))).toMatchObject({ gid: GROUP });
    expect(statSync(dirname(path)).mode & 0o7777).toBe(0o2750);
  });

  it('lets its members in, and nobody else of another user', async () => {
    const { path } = await grouped();
    expect(await hostile(path, 'as_user', NOBODY, GROUP)).toMatchObject({ code: 'RSM_PROTOCOL_MISMATCH' }); // it greets another service
    expect(await hostile(path, 'as_user', NOBODY)).toMatchObject({ code: 'EACCES' });
    chmodSync(dirname(path), 0o755);
    chmodSync(path, 0o777);
    expect(await hostile(path, 'as_user', NOBODY)).toMatchObject({ ended: true, code: 'RSM_PERMISSION_DENIED' });
  });

  it.each<[string, number, number]>([
    ['of another group', GROUP + 1, 0o2750],
    ['that the group may write to', GROUP, 0o2770],
    ['that others may enter', GROUP, 0o2755],
    ['that is closed to the group', GROUP, 0o2700],
  ])('takes no folder %s', async (_, gid, mode) => {
    const directory = newServiceDirectory();
    chmodSync(directory, 0o755);
    const folder = join(directory, 'grouped');
    mkdirSync(folder);
    chownSync(folder, -1, gid);
    chmodSync(folder, mode);
    const listener = await startService('segments-listener', { directory });
    await expect(listener.call('open', { service: 'grouped', directory, allow: { gids: [GROUP] } })).rejects.toThrow(
      /^(?=.*(open to more users|closed to group)).*grouped/,
    );
  });
});

it('a client trusts no folder, and no server, of another user', async () => {
  const directory = newServiceDirectory();
  chmodSync(directory, 0o755);
  const folder = join(directory, 'foreign');
  mkdirSync(folder);
  chownSync(folder, NOBODY, NOBODY);
  const foreign = await startService('limited', { directory });
  await foreign.call('become', NOBODY);
  expect(await foreign.call('listen', 'foreign', directory)).toMatchObject({ code: 'RSM_PERMISSION_DENIED' });
  chmodSync(folder, 0o700);
  expect(await foreign.call('listen', 'foreign', directory)).toBeUndefined();
  const connector = closeAfterwards(new Connector({ service: 'foreign', directory }));
  await expect(connector.ready()).rejects.toMatchObject({
    code: 'RSM_PERMISSION_DENIED',
    message: expect.stringContaining(`user ${NOBODY}`),
  });
  // The folder could be root's and the socket in it another's: the server's own credentials count.
  chownSync(folder, 0, 0);
  const second = closeAfterwards(new Connector({ service: 'foreign', directory }));
  try {
    const refusal = { code: 'RSM_PERMISSION_DENIED', message: expect.stringContaining(`uid ${NOBODY}`) };
    await expect(second.ready()).rejects.toMatchObject(refusal);
  } finally {
    chownSync(folder, NOBODY, NOBODY); // so that it can remove its socket
  }
});
