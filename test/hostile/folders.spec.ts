import { beforeEach, describe, expect, it } from '@jest/globals';
import { Connector } from '@nestjs-rsm/segments';
import { once } from 'node:events';
import { chmodSync, existsSync, lstatSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { closeAfterwards, eventually, newServiceDirectory, type Service, startService } from '../support/index.js';

let directory: string;
let listener: Service;

beforeEach(async () => {
  directory = newServiceDirectory();
  listener = await startService('segments-listener', { directory });
});

function open(): Promise<{ path: string }> {
  return listener.call('open', { service: 'linked', directory });
}

/** A client looks at the folder's owner and mode once it finds a socket there. */
async function bait(): Promise<Connector> {
  mkdirSync(join(directory, 'linked'), { recursive: true, mode: 0o700 });
  const server = createServer().listen(join(directory, 'linked', 'bait.sock'));
  closeAfterwards({ close: () => new Promise((resolve) => server.close(resolve)) });
  await once(server, 'listening');
  return closeAfterwards(new Connector({ service: 'linked', directory }));
}

function openFolder(folder: string, mode: number): void {
  mkdirSync(folder);
  chmodSync(folder, mode);
}

it('a service shows its socket and folder to nobody else', async () => {
  const { path } = await open();
  expect(lstatSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(path)).mode & 0o7777).toBe(0o700);
});

describe('neither a service nor a client trusts', () => {
  it.each<[string, () => void, string]>([
    ['a folder that is a symbolic link', () => symlinkSync(newServiceDirectory(), join(directory, 'linked')), 'symbolic link'],
    ['a folder that others may write to', () => openFolder(join(directory, 'linked'), 0o777), 'mode 0777'],
    ['a folder that its group may write to', () => openFolder(join(directory, 'linked'), 0o770), 'mode 0770'],
    ['a directory that others may write to', () => chmodSync(directory, 0o777), 'mode 0777'],
    ['a directory that its group may write to', () => chmodSync(directory, 0o730), 'mode 0730'],
  ])('%s', async (_, spoil, reason) => {
    spoil();
    await expect(open()).rejects.toThrow(reason);
    await expect((await bait()).ready()).rejects.toMatchObject({
      code: 'RSM_PERMISSION_DENIED',
      message: expect.stringContaining(reason),
    });
  });

  it('a directory that is a symbolic link', async () => {
    const link = join(newServiceDirectory(), 'link');
    symlinkSync(directory, link);
    await expect(listener.call('open', { service: 'linked', directory: link })).rejects.toThrow('symbolic link');
    await bait();
    const connector = closeAfterwards(new Connector({ service: 'linked', directory: link }));
    await expect(connector.ready()).rejects.toMatchObject({ code: 'RSM_PERMISSION_DENIED' });
  });

  it('a file where the folder should be', async () => {
    writeFileSync(join(directory, 'linked'), '');
    await expect(open()).rejects.toThrow('is not a folder');
  });
});

it('a service takes no folder that others may look into: it promised 0700', async () => {
  openFolder(join(directory, 'linked'), 0o755);
  await expect(open()).rejects.toThrow('mode 0755');
});

it('a client follows no link to a socket, and removes nothing but refusing sockets', async () => {
  const folder = join(directory, 'linked');
  const { path } = await open();
  const elsewhere = newServiceDirectory();
  symlinkSync(path, join(folder, 'link.sock'));
  symlinkSync(join(elsewhere, 'missing'), join(folder, 'dangling.sock'));
  writeFileSync(join(folder, 'file.sock'), 'kept');
  mkdirSync(join(folder, 'folder.sock'));
  const connector = closeAfterwards(new Connector({ service: 'linked', directory }));
  await connector.ready();
  await eventually(async () => expect((await listener.call('state')).connections).toBe(1));
  expect(connector.connections.size).toBe(1); // by the link it would be two
  for (const name of ['file.sock', 'folder.sock']) expect(existsSync(join(folder, name))).toBe(true);
  expect(lstatSync(join(folder, 'dangling.sock')).isSymbolicLink()).toBe(true);
});
