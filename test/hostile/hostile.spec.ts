import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Connection, Connector, Lane } from '@nestjs-rsm/segments';
import { once } from 'node:events';
import { chmodSync, mkdirSync, statSync, symlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { RsmClient } from 'nestjs-rsm';
import { firstValueFrom } from 'rxjs';
import { Companion } from '../support/companion.js';
import { hostile, HostilePeer } from '../support/hostile-peer.js';
import { closeAfterwards, eventually, newServiceDirectory, type Service, startService } from '../support/index.js';

/** What 70 hostile peers may leave in a heap: fragmentation, no more. Bytes. */
const RSS_SLACK = 48 * 1024 * 1024;
const NOBODY = 65_534;
const MAX_MEMORY = 64 * 1024 * 1024;

/** Small, so that a peer reaches the limits quickly; its longest message is 256 kB. */
const SEGMENTS = [
  { partitionSize: 64, partitions: 256, spanFactor: 16 },
  { partitionSize: 4096, partitions: 64, spanFactor: 32 },
];

let service: Service;
let path: string;
let companion: Companion;
let before: object;
let resident: number;
/** Where this test's part of the output begins. */
let seen = 0;

/** The reason that the server has logged since the test began. */
async function logged(reason: string): Promise<void> {
  await eventually(() => expect(service.output().slice(seen)).toContain(reason));
}

beforeAll(async () => {
  service = await startService('hostile-target', {
    execArgv: ['--expose-gc'],
    options: { segments: SEGMENTS, maxMessageSize: 256 * 1024, maxMemory: MAX_MEMORY, maxRequests: 100 },
  });
  ({ path } = service.info as { path: string });
  companion = await new Companion('hostile', service.directory).start();
  await companion.undisturbed(50);
  // What is made once (code, tables, pools) is no leak.
  await hostile(path, 'spoil_forming', 'unsealed target');
  await hostile(path, 'spoil_message', 'group');
  await hostile(path, 'rewrite', 1, 200);
  before = await service.call<object>('residue');
  resident = await service.call<number>('resident');
});

afterAll(async () => {
  await companion.close();
});

afterEach(async () => {
  await companion.undisturbed();
  await eventually(async () => expect(await service.call('residue')).toEqual(before));
  await eventually(async () => expect((await service.call('resident')) - resident).toBeLessThan(RSS_SLACK));
  expect(service.alive).toBe(true);
  seen = service.output().length;
});

/** Frames of the handshake as a client writes them: body behind length u32, kind u16, descriptors u16. */
function frame(kind: number, body: Buffer, length = body.length, descriptors = 0): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(length, 0);
  head.writeUInt16LE(kind, 4);
  head.writeUInt16LE(descriptors, 6);
  return Buffer.concat([head, body]);
}

interface Greeting {
  magic?: string;
  order?: number;
  versions?: [number, number];
  service?: string;
  identity?: Buffer;
  segments?: [number, number, number][];
}

function hello({ magic = 'NESTRSM\n', order = 0x0102, versions = [1, 1], identity, ...rest }: Greeting = {}): Buffer {
  const fixed = Buffer.alloc(6 + 4 + 8 + 8);
  fixed.writeUInt16LE(order, 0);
  fixed.writeUInt16LE(versions[0], 2);
  fixed.writeUInt16LE(versions[1], 4);
  fixed.writeBigUInt64LE(1_000_000n, 18);
  const segments = rest.segments ?? [[64, 16, 4]];
  const geometry = Buffer.alloc(2 + 12 * segments.length);
  geometry.writeUInt16LE(segments.length, 0);
  segments.flat().forEach((word, i) => geometry.writeUInt32LE(word, 2 + 4 * i));
  const body = [Buffer.from(magic), fixed, text(identity ?? Buffer.from('raw')), text(Buffer.from(rest.service ?? 'hostile')), geometry];
  return frame(1, Buffer.concat(body));
}

function text(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Writes `bytes`, and collects what comes until the server ends the connection. */
function answerTo(bytes: Buffer | string, to = path): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(to, () => socket.write(bytes));
    socket.setEncoding('latin1').on('data', (part) => (answer += String(part)));
    socket.on('error', () => undefined); // EPIPE: it was refused before all was written
    socket.on('close', () => resolve(answer));
  });
}

describe('the handshake', () => {
  it.each<[string, Buffer | string, string]>([
    ['another magic', hello({ magic: 'NESTRSX\n' }), 'does not begin as nestjs-rsm'],
    ['another byte order', hello({ order: 0x0201 }), 'byte order'],
    ['an old version', hello({ versions: [0, 0] }), 'bring both to the same release'],
    ['a new version', hello({ versions: [2, 900] }), 'bring both to the same release'],
    ['versions the wrong way round', hello({ versions: [9, 0] }), 'bring both to the same release'],
    ['another service', hello({ service: '../../etc' }), 'asks for service'],
    ['an identity that is too long', hello({ identity: Buffer.alloc(65, 'x') }), 'too long'],
    ['a text longer than its frame', frame(1, hello().subarray(8, 38)), 'too short'],
    ['an empty greeting', frame(1, Buffer.alloc(0)), 'too short'],
    ['an oversized frame', frame(1, hello().subarray(8), 0xffff_ffff), 'longer than a control frame may be'],
    ['a frame just over the limit', frame(1, hello().subarray(8), 16 * 1024), 'longer than a control frame may be'],
    ['a frame of an unknown kind', frame(99, Buffer.alloc(4)), 'does not speak nestjs-rsm'],
    ['descriptors announced and not passed', frame(4, Buffer.alloc(4), 4, 3), 'lacks the file descriptors'],
    ['descriptors where none are due', frame(1, hello().subarray(8), undefined, 9), 'wrong number of file descriptors'],
    ['an obtain before the greeting', frame(5, Buffer.alloc(0)), 'out of turn'],
    ["a server's frame", frame(6, Buffer.alloc(0)), 'wrong number of file descriptors'],
    ['two greetings', Buffer.concat([hello(), hello()]), 'out of turn'],
    ['no segments', hello({ segments: [] }), 'no segment'],
    ['segments of no size', hello({ segments: [[0, 0, 0]] }), 'partitionSize'],
    ['wild segments', hello({ segments: [[0xffff_ffff, 0xffff_ffff, 0xffff_ffff]] }), 'partitionSize'],
    ['too many segments', hello({ segments: Array.from({ length: 1000 }, (_, i) => [64 + i, 4, 2]) }), 'no segment, or too many'],
    ['HTTP', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 'does not speak nestjs-rsm'],
    ['zeros', Buffer.alloc(1000), 'unknown kind'],
  ])('refuses %s', async (_, bytes, reason) => {
    expect(await answerTo(bytes)).toContain(reason);
    await logged(reason);
  });

  it('forgets a greeting that was cut off', async () => {
    const whole = hello();
    for (const length of [1, 7, 8, 9, whole.length - 1]) {
      await new Promise<void>((resolve) => {
        const socket: Socket = connect(path, () => socket.end(whole.subarray(0, length)));
        socket.on('close', () => resolve()).resume();
      });
    }
  });

  it('refuses whoever drips its greeting', async () => {
    const slow = await startService('segments-listener');
    const opened = await slow.call<{ path: string }>('open', { service: 'hostile', directory: slow.directory, handshakeTimeout: 300 });
    const outcome = await hostile(opened.path, 'drip', 30);
    expect(outcome).toMatchObject({ ended: true, code: 'RSM_PROTOCOL_MISMATCH' });
    expect(outcome.text).toContain('300 ms');
    await eventually(async () => expect((await slow.call('state')).connections).toBe(0));
  });

  it('serves others while thousands of connections say nothing', async () => {
    const flood = new HostilePeer(path, 'half_open', 4000);
    const late: Promise<void>[] = [];
    for (let i = 0; i < 10; i++) {
      late.push(
        (async () => {
          const client = new RsmClient({ service: 'hostile', directory: service.directory });
          try {
            expect(await firstValueFrom(client.send('echo', i))).toBe(i);
          } finally {
            await client.close();
          }
        })(),
      );
      await companion.undisturbed(2);
    }
    expect(await flood.atWork()).toEqual({ open: 4000 });
    await Promise.all(late);
    await logged('too many handshakes at once');
    const { descriptors } = await service.call<{ descriptors: Record<string, number> }>('residue');
    expect(descriptors['socket']).toBeLessThan((before as { descriptors: Record<string, number> }).descriptors['socket']! + 80);
    await flood.end();
  });
});

describe('regions and doorbells', () => {
  it.each([
    ['unsealed target', 'RSM_CORRUPT_SEGMENT', 'not sealed'],
    ['unsealed release', 'RSM_CORRUPT_SEGMENT', 'not sealed'],
    ['target that may shrink', 'RSM_CORRUPT_SEGMENT', 'not sealed'],
    ['target that cannot be written', 'RSM_CORRUPT_SEGMENT', 'cannot be written'],
    ['target in a file', 'RSM_CORRUPT_SEGMENT', 'not sealed'],
    ['target that is a pipe', 'RSM_CORRUPT_SEGMENT', 'were agreed'],
    ['target too small', 'RSM_CORRUPT_SEGMENT', 'were agreed'],
    ['release too small', 'RSM_CORRUPT_SEGMENT', 'were agreed'],
    ['empty target', 'RSM_CORRUPT_SEGMENT', 'were agreed'],
    ['release size not agreed', 'RSM_CORRUPT_SEGMENT', 'other segments'],
    ['target beyond maxMemory', 'RSM_BACKPRESSURE', 'larger than maxMemory'],
    ['segment beyond its region', 'RSM_CORRUPT_SEGMENT', 'does not lie in its target region'],
    ['segment over the ring', 'RSM_CORRUPT_SEGMENT', 'does not lie in its target region'],
    ['directory that wraps around', 'RSM_CORRUPT_SEGMENT', 'does not lie in its target region'],
    ['more partitions than announced', 'RSM_CORRUPT_SEGMENT', ''],
    ['segment in another region', 'RSM_CORRUPT_SEGMENT', 'does not lie in its target region'],
    ['bell that is a file', 'RSM_CORRUPT_SEGMENT', 'no pipe'],
    ['bell that is a socket', 'RSM_CORRUPT_SEGMENT', 'no pipe'],
    ['target opened for reading', 'RSM_UNSUPPORTED_PLATFORM', 'cannot be mapped'],
  ])('refuses a %s', async (how, code, reason) => {
    const outcome = await hostile(path, 'spoil_forming', how);
    expect(outcome).toMatchObject({ ended: true, code });
    expect(outcome.text).toContain(reason);
    await logged(outcome.text!);
  });

  it.each([0, 1, 2, 9, 200])('refuses %i descriptors where three are due', async (count) => {
    expect(await hostile(path, 'descriptors', count)).toMatchObject({ ended: true, code: 'RSM_PROTOCOL_MISMATCH' });
    await logged('descriptors');
  });

  it('keeps no descriptors that nobody asked for', async () => {
    expect(await hostile(path, 'unasked_descriptors', 40)).toMatchObject({ ended: true });
  });

  it('has regions that nobody can truncate', async () => {
    expect(await hostile(path, 'truncate')).toMatchObject({ ended: true, code: null, failures: 3 });
  });

  it('goes on while processes write into its doorbell without end', async () => {
    const ringing = new HostilePeer(path, 'ring_without_end', 1500, 4);
    await ringing.atWork();
    await companion.undisturbed(20);
    expect(await ringing.end()).toMatchObject({ ended: true });
  });

  it('never waits for a doorbell that is full', async () => {
    expect(await hostile(path, 'deaf', 20)).toMatchObject({ ended: true, code: null });
  });
});

describe('order slots and directory entries', () => {
  it.each([
    ['group', 'names group 9'],
    ['largest group', 'names group 4294967295'],
    ['partition', 'begins in partition'],
    ['no entry', 'directory entry does not say so'],
    ['mark', 'directory entry does not say so'],
    ['lane', 'names lane 3'],
    ['length', 'more than a span of its group holds'],
    ['one byte over the span', 'more than a span of its group holds'],
    ['over the end', "over the segment's end"],
    ['chain to elsewhere', 'not contiguous'],
    ['chain in a circle', 'not contiguous'],
    ['chain too long', 'not contiguous'],
    ['fragments without end', 'maxMessageSize'],
  ])('end the connection: %s', async (how, reason) => {
    const outcome = await hostile(path, 'spoil_message', how);
    expect(outcome).toMatchObject({ ended: true, code: 'RSM_CORRUPT_SEGMENT' });
    expect(outcome.text).toContain(reason);
    await logged(reason);
  });

  it('end the connection where messages overlap', async () => {
    expect(await hostile(path, 'spoil_message', 'overlapping')).toMatchObject({ ended: true });
    await logged(' ended: '); // as the first frame is read, or as the partitions run out
  });

  it('are no message where the sequence is not the next', async () => {
    const events = await service.call<number>('events');
    expect(await hostile(path, 'sequences')).toMatchObject({ ended: true, code: null });
    expect(await service.call('events')).toBe(events + 1);
  });
});

describe('releases', () => {
  it.each([
    ['never sent', 'not in flight there'],
    ['sequence 0', 'not in flight there'],
    ['other cell', 'not in flight there'],
    ['wild cell', 'not in flight there'],
    ['twice', 'not in flight there'],
    ['nacked, then done', 'not in flight there'],
    ['outcome 0', 'unknown outcome'],
    ['outcome 15', 'unknown outcome'],
  ])('end the connection: %s', async (how, reason) => {
    const outcome = await hostile(path, 'spoil_release', how);
    expect(outcome).toMatchObject({ ended: true, code: 'RSM_CORRUPT_SEGMENT' });
    expect(outcome.text).toContain(reason);
    await logged(reason);
  });
});

describe('bytes that are rewritten while they are decoded', () => {
  it.each([
    ['JSON', 1],
    ['MessagePack', 2],
    ['text', 3],
  ])('%s', async (_, format) => {
    const outcome = await hostile(path, 'rewrite', format, 700);
    expect(outcome.ended).toBe(true);
    expect((outcome['answered'] as number) + (outcome['refused'] as number)).toBeGreaterThan(0);
    // The only way out is that the server hangs up.
    expect(['None', '']).toEqual(expect.arrayContaining(outcome['codes'] as string[]));
  });
});

describe('memory', () => {
  it('stops at maxMemory, and gives it back', async () => {
    const outcome = await hostile(path, 'hoard', 400);
    expect(outcome['codes']).toEqual(['RSM_BACKPRESSURE']);
    expect(outcome['formed']).toBeGreaterThan(10);
    expect(outcome['formed']).toBeLessThan(400);
    await logged('maxMemory');
    const { reservedBytes } = await service.call<Record<string, number>>('segmentCounters');
    expect(reservedBytes).toBeLessThanOrEqual(MAX_MEMORY);
    await eventually(async () => expect((await service.call('connections')).now).toBe(1));
  });
});

describe('users, modes and links', () => {
  const isRoot = process.getuid!() === 0;

  it('shows its socket and folder to nobody else', () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o7777).toBe(0o700);
  });

  it('refuses a process of another user, also where the folder lets it come near', async () => {
    if (!isRoot) return expect(isRoot).toBe(false); // only root can become another user
    expect(await hostile(path, 'as_user', NOBODY)).toMatchObject({ code: 'EACCES' });
    const folders = [dirname(dirname(path)), dirname(path)];
    folders.forEach((folder) => chmodSync(folder, 0o755));
    chmodSync(path, 0o777);
    try {
      const outcome = await hostile(path, 'as_user', NOBODY);
      expect(outcome).toMatchObject({ ended: true, code: 'RSM_PERMISSION_DENIED' });
      expect(outcome.text).toContain(`uid ${NOBODY}`);
      await logged(`uid ${NOBODY}`);
    } finally {
      chmodSync(path, 0o600);
      folders.forEach((folder) => chmodSync(folder, 0o700));
    }
  });

  it.each<[string, (directory: string) => void, string]>([
    ['a folder that is a symbolic link', (directory) => symlinkSync(newServiceDirectory(), join(directory, 'linked')), 'symbolic link'],
    ['a folder open to others', (directory) => openFolder(join(directory, 'linked'), 0o777), 'mode 0777'],
    ['a directory open to others', (directory) => chmodSync(directory, 0o777), 'mode 0777'],
  ])('neither serves nor connects in %s', async (_, spoil, reason) => {
    const directory = newServiceDirectory();
    spoil(directory);
    const listener = await startService('segments-listener', { directory });
    await expect(listener.call('open', { service: 'linked', directory })).rejects.toThrow(reason);
    // A client looks at the folder's owner and mode once it finds a socket there.
    mkdirSync(join(directory, 'linked'), { recursive: true, mode: 0o700 });
    const bait = createServer().listen(join(directory, 'linked', 'bait.sock'));
    closeAfterwards({ close: () => new Promise((resolve) => bait.close(resolve)) });
    await once(bait, 'listening');
    const connector = closeAfterwards(new Connector({ service: 'linked', directory }));
    await expect(connector.ready()).rejects.toMatchObject({ code: 'RSM_PERMISSION_DENIED', message: expect.stringContaining(reason) });
  });
});

function openFolder(folder: string, mode: number): void {
  mkdirSync(folder);
  chmodSync(folder, mode);
}

describe('frames of the transport', () => {
  let connection: Connection;

  async function intrude(): Promise<Connection> {
    const connector = closeAfterwards(new Connector({ service: 'hostile', directory: service.directory }));
    await connector.ready();
    return (connection = [...connector.connections][0]!);
  }

  function head(kind: number, format: number, flags: number, word: number, reserved = 0): Buffer {
    const bytes = Buffer.from([kind, format, flags, reserved, 0, 0, 0, 0]);
    bytes.writeUInt32LE(word, 4);
    return bytes;
  }

  const uint32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
  const INLINE = 16;

  function request(payload: Buffer | string, { format = 1, pattern = 'echo', id = 1 } = {}): Buffer {
    return Buffer.concat([head(2, format, INLINE, Buffer.byteLength(pattern)), Buffer.from(pattern), uint32(id), Buffer.from(payload)]);
  }

  function event(payload: Buffer | string, pattern = 'event', format = 1): Buffer {
    return Buffer.concat([head(1, format, INLINE, Buffer.byteLength(pattern)), Buffer.from(pattern), Buffer.from(payload)]);
  }

  function withExtras(json: string): Buffer {
    return Buffer.concat([head(1, 1, INLINE | 1, 5), Buffer.from('event'), uint32(json.length), Buffer.from(json), Buffer.from('1')]);
  }

  it.each<[string, Lane, Buffer, string]>([
    ['nothing at all', Lane.events, Buffer.alloc(0), 'too short for a frame'],
    ['seven bytes', Lane.requests, Buffer.alloc(7, 1), 'too short for a frame'],
    ['random bytes', Lane.events, Buffer.alloc(64, 0xa5), 'reserved byte'],
    ['an unknown kind', Lane.events, head(200, 0, 0, 0), 'kind 200 does not exist'],
    ['a reply', Lane.immediate, head(5, 0, 2, 1), 'kind 5 on lane 0'],
    ['a reply as event', Lane.events, head(5, 0, 2, 1), 'kind 5 on lane 1'],
    ['a request on the lane of events', Lane.events, request('1'), 'kind 2 on lane 1'],
    ['an event on the lane of requests', Lane.requests, event('1'), 'kind 1 on lane 2'],
    ['an event on the immediate lane', Lane.immediate, event('1'), 'kind 1 on lane 0'],
    ['a cancel as event', Lane.events, head(3, 0, 0, 1), 'kind 3 on lane 1'],
    ['a cancel with a payload', Lane.immediate, Buffer.concat([head(3, 0, 0, 1), Buffer.from('x')]), 'cancel frame of 9 bytes'],
    ['unknown flags', Lane.events, head(1, 0, 0x80, 1), 'flags 128'],
    ['an unknown format', Lane.events, event('1', 'event', 9), 'format 9 does not exist'],
    ['an unknown route', Lane.events, head(1, 0, 0, 4711), 'route 4711 was not announced'],
    ['the largest route', Lane.requests, Buffer.concat([head(2, 0, 0, 0xffff_ffff), uint32(1)]), 'route 4294967295 was not announced'],
    ['a pattern longer than the frame', Lane.events, Buffer.concat([head(1, 1, INLINE, 0xffff_ffff), Buffer.from('event')]), 'its pattern'],
    ['a request without id', Lane.requests, Buffer.concat([head(2, 1, INLINE, 4), Buffer.from('echo')]), 'its id'],
    ['a deadline that is no number', Lane.events, Buffer.concat([head(1, 0, 2, 1), Buffer.alloc(8, 0xff)]), 'deadline of NaN'],
    ['headers that are no JSON', Lane.events, withExtras('{"h":'), 'headers that cannot be parsed'],
    ['headers that are a list', Lane.events, withExtras('{"h":[1]}'), 'not an object'],
    ['JSON that is none', Lane.requests, request('{"a":'), 'JSON text cannot be parsed'],
    ['MessagePack that is none', Lane.requests, request(Buffer.from([0xc1]), { format: 2 }), 'is ended'],
    ['a list of four thousand million', Lane.requests, request(Buffer.from([0xdd, 255, 255, 255, 255]), { format: 2 }), 'is ended'],
    ['MessagePack nested until the stack ends', Lane.requests, request(Buffer.alloc(200_000, 0x91), { format: 2 }), 'is ended'],
    ['a record definition', Lane.requests, request(Buffer.from([0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01]), { format: 2 }), 'is ended'],
    ['a route 0', Lane.immediate, Buffer.concat([head(4, 0, 0, 0), Buffer.from('echo')]), 'a route 0'],
    ['a route beyond the bound', Lane.immediate, Buffer.concat([head(4, 0, 0, 65_537), Buffer.from('echo')]), 'a route 65537'],
    ['a route of two kilobytes', Lane.immediate, Buffer.concat([head(4, 0, 0, 1), Buffer.alloc(2048, 'x')]), 'of 2048 bytes'],
  ])('end the connection: %s', async (_, lane, bytes, reason) => {
    const { write } = { write: (await intrude()).write.bind(connection) };
    await write(bytes, lane);
    await eventually(() => expect(connection.open).toBe(false));
    await logged(reason);
  });

  it('end the connection that opens a request id twice', async () => {
    await intrude();
    await connection.write(request('1', { pattern: 'hold' }), Lane.requests);
    await connection.write(request('2', { pattern: 'hold' }), Lane.requests);
    await eventually(() => expect(connection.open).toBe(false));
    await logged('request 1 is open already');
    await service.call('released');
  });

  it('end the connection that announces a route twice', async () => {
    await intrude();
    await connection.write(Buffer.concat([head(4, 0, 0, 5), Buffer.from('a')]), Lane.immediate);
    await connection.write(Buffer.concat([head(4, 0, 0, 5), Buffer.from('a')]), Lane.immediate);
    await eventually(() => expect(connection.open).toBe(false));
    await logged('announced twice');
  });

  it('end the connection that announces routes without end', async () => {
    await intrude();
    const flood = (async () => {
      for (let from = 1; from < 65_536; from += 1000) {
        const frames = Array.from({ length: 1000 }, (_, i) => Buffer.concat([head(4, 0, 0, from + i), Buffer.alloc(900, 'r')]));
        await connection.writeAll(frames, Lane.immediate);
      }
    })();
    await expect(flood).rejects.toMatchObject({ code: 'RSM_CONNECTION_LOST' });
    await logged('routes of more than');
  });

  it('may have any depth as JSON, and properties of any name, and touch no prototype', async () => {
    const client = closeAfterwards(new RsmClient({ service: 'hostile', directory: service.directory }));
    expect(await firstValueFrom(client.send('echo', 'first'))).toBe('first');
    await intrude();
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    await connection.write(event(deep), Lane.events);
    const own = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}';
    await connection.write(event(own), Lane.events);
    await connection.write(withExtras(`{"h":${own},"m":${own},"__proto__":{"h":{}}}`), Lane.events);
    await connection.flushed();
    expect(connection.open).toBe(true);
    expect(await firstValueFrom(client.send('prototype', { a: 1 }))).toEqual({ polluted: null, isPlain: true });
  });

  it('with a hundred thousand patterns are remembered nowhere', async () => {
    await intrude();
    const { unknownEvents } = await service.call('serverCounters');
    for (let from = 0; from < 100_000; from += 5000) {
      await connection.writeAll(
        Array.from({ length: 5000 }, (_, i) => event('1', `${from + i}${'p'.repeat(600)}`)),
        Lane.events,
      );
    }
    await connection.flushed();
    expect((await service.call('serverCounters')).unknownEvents).toBe(unknownEvents + 100_000);
    // While it is still connected: 60 MB of patterns are not kept.
    expect((await service.call<number>('resident')) - resident).toBeLessThan(RSS_SLACK);
  });

  it('with two hundred thousand cancels are remembered up to a bound', async () => {
    await intrude();
    for (let from = 1; from < 200_000; from += 5000) {
      await connection.writeAll(
        Array.from({ length: 5000 }, (_, i) => head(3, 0, 0, from + i)),
        Lane.immediate,
      );
    }
    await connection.flushed();
    expect(connection.open).toBe(true);
    expect((await service.call<number>('resident')) - resident).toBeLessThan(RSS_SLACK);
  });
});
