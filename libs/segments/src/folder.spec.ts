import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { isSocket, prepareServiceFolder, removeIfEmpty, removeRefusedSockets, unlinkSocket, verifyServiceFolder } from './folder.js';

const FOREIGN_UID = 54_321;
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rsm-folder-'));
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(root, { recursive: true, force: true });
});

function modeOf(path: string): string {
  return (lstatSync(path).mode & 0o7777).toString(8);
}

/** Lets a folder belong to somebody else; who is not root becomes somebody else instead. */
function disown(path: string): void {
  if (process.getuid!() === 0) chownSync(path, FOREIGN_UID, -1);
  else jest.spyOn(process, 'getuid').mockReturnValue(FOREIGN_UID);
}

/** A socket file on which nobody listens, as a killed process leaves it. */
function leaveSocket(path: string): void {
  const script = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script, path]);
  expect(isSocket(path)).toBe(true);
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy()).listen(path, () => resolve(server));
  });
}

describe('prepareServiceFolder', () => {
  it('makes both folders for the own user alone, whatever the umask, and accepts them again', () => {
    const directory = join(root, 'deep', 'base');
    const umask = process.umask(0);
    try {
      expect(prepareServiceFolder(directory, 'orders')).toBe(join(directory, 'orders'));
    } finally {
      process.umask(umask);
    }
    expect([modeOf(directory), modeOf(join(directory, 'orders'))]).toEqual(['700', '700']);
    expect(() => prepareServiceFolder(directory, 'orders')).not.toThrow();
  });

  it('makes both folders 2750 for a group', () => {
    const gid = process.getgid!();
    const directory = join(root, 'base');
    const folder = prepareServiceFolder(directory, 'orders', gid);
    expect([modeOf(directory), modeOf(folder)]).toEqual(['2750', '2750']);
    expect(lstatSync(folder).gid).toBe(gid);
    expect(() => prepareServiceFolder(directory, 'orders', gid)).not.toThrow();
  });

  it('refuses a directory that the group cannot enter', () => {
    chmodSync(root, 0o700);
    expect(() => prepareServiceFolder(root, 'orders', process.getgid!())).toThrow(/cannot enter.*chmod 2750/);
  });

  it.each([0o701, 0o755, 0o770, 0o722])('refuses a service folder of mode %o', (mode) => {
    const folder = join(root, 'orders');
    mkdirSync(folder);
    chmodSync(folder, mode);
    expect(() => prepareServiceFolder(root, 'orders')).toThrow(expect.objectContaining({ code: 'RSM_PERMISSION_DENIED' }));
  });

  it('refuses a directory that others may write to, unless it is sticky', () => {
    chmodSync(root, 0o777);
    expect(() => prepareServiceFolder(root, 'orders')).toThrow(/Others may write/);
    chmodSync(root, 0o1777);
    expect(() => prepareServiceFolder(root, 'orders')).not.toThrow();
  });

  it('refuses symbolic links and files', () => {
    mkdirSync(join(root, 'real'), { mode: 0o700 });
    symlinkSync(join(root, 'real'), join(root, 'link'));
    expect(() => prepareServiceFolder(root, 'link')).toThrow(/symbolic link/);
    expect(() => prepareServiceFolder(join(root, 'link'), 'orders')).toThrow(/symbolic link/);
    writeFileSync(join(root, 'file'), '');
    expect(() => prepareServiceFolder(root, 'file')).toThrow(/not a folder/);
    expect(() => prepareServiceFolder(join(root, 'file'), 'orders')).toThrow(/file/);
  });

  it("refuses somebody else's folder", () => {
    const folder = prepareServiceFolder(root, 'orders');
    disown(folder);
    expect(() => prepareServiceFolder(root, 'orders')).toThrow(expect.objectContaining({ code: 'RSM_PERMISSION_DENIED' }));
  });

  it('says so where a folder cannot be made', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => prepareServiceFolder(join(root, 'file', 'base'), 'orders')).toThrow(expect.objectContaining({ code: 'RSM_UNREACHABLE' }));
  });
});

describe('verifyServiceFolder', () => {
  it('accepts a missing folder, an own one, and one of a trusted user', () => {
    const folder = join(root, 'orders');
    expect(() => verifyServiceFolder(root, folder, [])).not.toThrow();
    mkdirSync(folder, { mode: 0o755 });
    expect(() => verifyServiceFolder(root, folder, [])).not.toThrow();
    disown(folder);
    const owner = lstatSync(folder).uid;
    expect(() => verifyServiceFolder(root, folder, [owner])).not.toThrow();
    expect(() => verifyServiceFolder(root, folder, [])).toThrow(/belongs to user/);
  });

  it('refuses a folder into which others could put a socket', () => {
    const folder = join(root, 'orders');
    mkdirSync(folder);
    chmodSync(folder, 0o722);
    expect(() => verifyServiceFolder(root, folder, [])).toThrow(/Others may write/);
    rmSync(folder, { recursive: true });
    symlinkSync(root, folder);
    expect(() => verifyServiceFolder(root, folder, [])).toThrow(/symbolic link/);
  });
});

describe('sockets of dead instances', () => {
  it('are removed; living ones, files and fresh temporary names stay', async () => {
    leaveSocket(join(root, 'dead.sock'));
    leaveSocket(join(root, 'fresh.sock.tmp'));
    leaveSocket(join(root, 'old.sock.tmp'));
    utimesSync(join(root, 'old.sock.tmp'), 1, 1);
    writeFileSync(join(root, 'file.sock'), 'x');
    leaveSocket(join(root, 'own.sock'));
    const server = await listen(join(root, 'alive.sock'));
    try {
      expect(await removeRefusedSockets(root, join(root, 'own.sock'))).toBe(2);
      expect(readdirSync(root).sort()).toEqual(['alive.sock', 'file.sock', 'fresh.sock.tmp', 'own.sock']);
    } finally {
      server.close();
    }
  });

  it('are the only thing unlinkSocket removes', () => {
    writeFileSync(join(root, 'file.sock'), 'x');
    leaveSocket(join(root, 'dead.sock'));
    symlinkSync(join(root, 'dead.sock'), join(root, 'link.sock'));
    for (const name of ['file.sock', 'link.sock', 'missing.sock', 'dead.sock']) unlinkSocket(join(root, name));
    expect(readdirSync(root).sort()).toEqual(['file.sock', 'link.sock']);
  });
});

describe('removeIfEmpty', () => {
  it('removes an empty folder only', async () => {
    const folder = prepareServiceFolder(root, 'orders');
    writeFileSync(join(folder, 'x'), '');
    await removeIfEmpty(folder);
    expect(existsSync(folder)).toBe(true);
    rmSync(join(folder, 'x'));
    await removeIfEmpty(folder);
    expect(existsSync(folder)).toBe(false);
    await removeIfEmpty(folder);
  });
});
