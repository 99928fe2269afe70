import { describe, expect, it } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { hostile } from '../support/hostile-peer.js';
import { useHostileTarget } from '../support/hostile-target.js';
import { eventually, startService } from '../support/index.js';

const target = useHostileTarget();

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
function answerTo(bytes: Buffer | string, to = target.path): Promise<string> {
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
    ['another service', hello({ service: 'other' }), 'asks for service other'],
    ['a service that is a path', hello({ service: '../../etc' }), 'name of other characters'],
    ['an identity that forges lines', hello({ identity: Buffer.from('x\n[Nest] forged') }), 'name of other characters'],
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
    await target.logged(reason);
  });

  it('forgets a greeting that was cut off', async () => {
    const whole = hello();
    for (const length of [1, 7, 8, 9, whole.length - 1]) {
      await new Promise<void>((resolve) => {
        const socket: Socket = connect(target.path, () => socket.end(whole.subarray(0, length)));
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
});
