import { beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, newServiceDirectory, type Service, serviceDirectory, socketsIn, startService } from '../support/index.js';

interface Residue {
  lowest: number;
  regions: number;
  descriptors: Record<string, number>;
}

let limited: Service;

beforeEach(async () => {
  limited = await startService('limited');
});

function limit(what: string): void {
  execFileSync('prlimit', [`--pid=${limited.pid}`, `--${what}`]);
}

/** No descriptor beyond `spare` more can be opened from now on. */
async function limitDescriptors(spare: number): Promise<void> {
  const { lowest } = await limited.call<Residue>('residue');
  limit(`nofile=${lowest + spare}:`);
}

function nothingLeftIn(directory: string): void {
  expect(existsSync(directory) ? socketsIn(directory) : []).toEqual([]);
}

describe('out of descriptors', () => {
  it('a listener says so and leaves nothing', async () => {
    const before = await limited.call<Residue>('residue');
    await limitDescriptors(0);
    expect(await limited.call('listen', 'limits')).toMatchObject({
      code: 'RSM_OUT_OF_RESOURCES',
      message: expect.stringMatching(/too many open files.*ulimit -n|ulimit -n.*too many open files/i),
    });
    limit('nofile=1024:');
    nothingLeftIn(serviceDirectory());
    expect(await limited.call('residue')).toEqual(before);
    expect(await limited.call('listen', 'limits')).toBeUndefined();
  });

  it('a listener that cannot accept serves again when it can', async () => {
    expect(await limited.call('listen', 'limits')).toBeUndefined();
    await limitDescriptors(0);
    const client = await startService('limited');
    expect(await client.call('connect', 'limits', undefined, 300)).toMatchObject({ code: 'RSM_UNREACHABLE' });
    limit('nofile=1024:');
    expect(await client.call('connect', 'limits', undefined, 20_000)).toBeUndefined();
    expect(await client.call('write', 'now it goes')).toBeUndefined();
  });

  it('a connector says so, and connects when it can', async () => {
    const server = await startService('limited');
    await server.call('listen', 'limits');
    await limitDescriptors(0);
    expect(await limited.call('connect', 'limits')).toMatchObject({ code: 'RSM_UNREACHABLE' });
    limit('nofile=1024:');
    expect(await limited.call('connect', 'limits', undefined, 20_000)).toBeUndefined();
  });

  it.each([0, 1, 2, 3])('a message for whose segments %i descriptors are left fails, and nothing stays open or mapped', async (spare) => {
    const server = await startService('limited');
    await server.call('listen', 'limits');
    await limited.call('connect', 'limits', undefined, 20_000);
    await limitDescriptors(spare);
    expect(await limited.call('write', 'x')).toMatchObject({ code: 'RSM_CONNECTION_LOST' });
    limit('nofile=1024:');
    await eventually(async () => expect((await limited.call<Residue>('residue')).regions).toBe(0));
    await eventually(async () => expect((await server.call<Residue>('residue')).regions).toBe(0));
    // It connects by itself again.
    await eventually(async () => expect(await limited.call('write', 'y')).toBeUndefined());
  });
});

describe('out of descriptors in the midst of a handshake', () => {
  it.each([0, 1, 2, 3, 4])('a server with %i left: its client hears of it, and nothing stays open or mapped', async (spare) => {
    await limited.call('listen', 'limits');
    const [early, late] = [await startService('limited'), await startService('limited')];
    for (const client of [early, late]) await client.call('connect', 'limits', undefined, 20_000);
    expect(await early.call('write', 'first')).toBeUndefined();
    const before = await limited.call<Residue>('residue');
    await limitDescriptors(spare);
    // Its segments are formed now: three descriptors come, two regions and a pipe are to be made.
    expect(await late.call('write', 'x')).toMatchObject({ code: 'RSM_CONNECTION_LOST' });
    expect(await early.call('write', 'second')).toBeUndefined();
    limit('nofile=1024:');
    await eventually(async () => expect((await late.call<Residue>('residue')).regions).toBe(0));
    await eventually(async () => expect((await limited.call<Residue>('residue')).regions).toBe(before.regions));
    // It connects by itself again.
    await eventually(async () => expect(await late.call('write', 'y')).toBeUndefined());
  });
});

describe('address space that is refused', () => {
  it.each(['the client', 'the server'])(
    'to %s: the message fails, nothing stays open or mapped, and it goes on with more',
    async (whose) => {
      const [server, client] = [limited, await startService('limited')];
      await server.call('listen', 'limits');
      await client.call('connect', 'limits', undefined, 20_000);
      const before = [await server.call<Residue>('residue'), await client.call<Residue>('residue')];
      const victim = whose === 'the client' ? client : server;
      // No mapping of 4 MiB more can be made; V8 has reserved what it needs.
      const status = readFileSync(`/proc/${victim.pid}/status`, 'utf8');
      const used = Number(/^VmSize:\s+(\d+) kB/m.exec(status)![1]) * 1024;
      execFileSync('prlimit', [`--pid=${victim.pid}`, `--as=${used + 4 * 1024 * 1024}:`]);
      expect(await client.call('write', 'x')).toMatchObject({ code: 'RSM_CONNECTION_LOST' });
      execFileSync('prlimit', [`--pid=${victim.pid}`, '--as=unlimited:']);
      await eventually(async () => expect((await client.call<Residue>('residue')).regions).toBe(before[1]!.regions));
      await eventually(async () => expect((await server.call<Residue>('residue')).regions).toBe(before[0]!.regions));
      await eventually(async () => expect(await client.call('write', 'y')).toBeUndefined());
    },
  );
});

describe('memory that is refused', () => {
  it.each([['the size of files', 'fsize=65536:', 'fsize=unlimited:']])(
    'by a limit on %s: the message fails, nothing stays open or mapped',
    async (_, tight, wide) => {
      const server = await startService('limited');
      await server.call('listen', 'limits');
      await limited.call('connect', 'limits', undefined, 20_000);
      limit(tight);
      expect(await limited.call('write', 'x')).toMatchObject({ code: 'RSM_CONNECTION_LOST' });
      limit(wide);
      await eventually(async () => expect((await limited.call<Residue>('residue')).regions).toBe(0));
      await eventually(async () => expect(await limited.call('write', 'y')).toBeUndefined());
    },
  );

  it('to a server: its client hears why, and others go on', async () => {
    await limited.call('listen', 'limits');
    const [early, late] = [await startService('limited'), await startService('limited')];
    for (const client of [early, late]) await client.call('connect', 'limits', undefined, 20_000);
    expect(await early.call('write', 'first')).toBeUndefined();
    limit('fsize=65536:');
    expect(await late.call('write', 'x')).toMatchObject({ code: 'RSM_CONNECTION_LOST' });
    expect(await early.call('write', 'second')).toBeUndefined();
    expect((await limited.call<Residue>('residue')).regions).toBe((await early.call<Residue>('residue')).regions);
    limit('fsize=unlimited:');
  });
});

describe('folders and names', () => {
  it('that may not be written or entered are refused', async () => {
    const open = newServiceDirectory();
    const closed = newServiceDirectory();
    chmodSync(open, 0o755);
    if (process.getuid!() === 0) await limited.call('become', 65_534);
    else chmodSync(open, 0o555);
    for (const directory of [open, closed, join(open, 'missing')]) {
      if (process.getuid!() !== 0 && directory === closed) continue; // our own
      expect(await limited.call('listen', 'limits', directory)).toMatchObject({ code: 'RSM_PERMISSION_DENIED' });
    }
    if (process.getuid!() === 0) expect(await limited.call('connect', 'limits', closed)).toMatchObject({ code: 'RSM_PERMISSION_DENIED' });
    expect(readdirSync(open)).toEqual([]);
    expect(readdirSync(closed)).toEqual([]);
  });

  it.each(['..', '.', 'a/b', '../up', '/etc', 'a\0b', 'nämlich', '', 'x'.repeat(65)])('the service name %p is refused', async (service) => {
    const before = await limited.call<Residue>('residue');
    expect(await limited.call('listen', service)).toMatchObject({ code: 'RSM_INVALID_OPTIONS' });
    expect(await limited.call('connect', service)).toMatchObject({ code: 'RSM_INVALID_OPTIONS' });
    expect(readdirSync(serviceDirectory())).toEqual([]);
    expect(await limited.call('residue')).toEqual(before);
  });

  it('a path of 107 bytes serves, one of 108 is refused', async () => {
    const room = 107 - Buffer.byteLength(`${serviceDirectory()}//limits/`) - Buffer.byteLength(`${'x'.repeat(16)}.sock.tmp`);
    const fits = join(serviceDirectory(), 'd'.repeat(room));
    mkdirSync(fits, { mode: 0o700 });
    expect(await limited.call('listen', 'limits', fits)).toBeUndefined();
    await limited.call('close');
    const tooLong = join(serviceDirectory(), 'd'.repeat(room + 1));
    expect(await limited.call('listen', 'limits', tooLong)).toMatchObject({ code: 'RSM_INVALID_OPTIONS' });
    expect(existsSync(tooLong)).toBe(false);
  });
});
