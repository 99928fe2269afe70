import { describe, expect, it } from '@jest/globals';
import { type Connection, Connector, Lane } from '@nestjs-rsm/segments';
import { RsmClient } from 'nestjs-rsm';
import { firstValueFrom } from 'rxjs';
import { RSS_SLACK, useHostileTarget } from '../support/hostile-target.js';
import { closeAfterwards, eventually } from '../support/index.js';

const target = useHostileTarget();

describe('frames of the transport', () => {
  let connection: Connection;

  async function intrude(): Promise<Connection> {
    const connector = closeAfterwards(new Connector({ service: 'hostile', directory: target.service.directory }));
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
    ['random bytes', Lane.events, Buffer.alloc(64, 0xa5), 'frame kind 165 does not exist'],
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
    await target.logged(reason);
  });

  it('end the connection that opens a request id twice', async () => {
    await intrude();
    await connection.write(request('1', { pattern: 'hold' }), Lane.requests);
    await connection.write(request('2', { pattern: 'hold' }), Lane.requests);
    await eventually(() => expect(connection.open).toBe(false));
    await target.logged('request 1 is open already');
    await target.service.call('released');
  });

  it('end the connection that announces a route twice', async () => {
    await intrude();
    await connection.write(Buffer.concat([head(4, 0, 0, 5), Buffer.from('a')]), Lane.immediate);
    await connection.write(Buffer.concat([head(4, 0, 0, 5), Buffer.from('a')]), Lane.immediate);
    await eventually(() => expect(connection.open).toBe(false));
    await target.logged('announced twice');
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
    await target.logged('routes of more than');
  });

  it('may have any depth as JSON, and properties of any name, and touch no prototype', async () => {
    const client = closeAfterwards(new RsmClient({ service: 'hostile', directory: target.service.directory }));
    expect(await firstValueFrom(client.send('echo', 'first'))).toBe('first');
    await intrude();
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    await connection.write(event(deep), Lane.events);
    const own = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}';
    await connection.write(event(own), Lane.events);
    await connection.write(withExtras(`{"h":${own},"m":${own},"__proto__":{"h":{}}}`), Lane.events);
    // MessagePack: { __proto__: { polluted: true } }, as a fixed map.
    const packed = Buffer.concat([
      Buffer.from([0x81, 0xa9]),
      Buffer.from('__proto__'),
      Buffer.from([0x81, 0xa8]),
      Buffer.from('polluted'),
      Buffer.from([0xc3]),
    ]);
    await connection.write(event(packed, 'event', 2), Lane.events);
    await connection.write(event('1', '{"__proto__":{"polluted":1}}'), Lane.events);
    await connection.write(event('1', '{"a":'.repeat(5_000) + '1' + '}'.repeat(5_000)), Lane.events);
    await connection.flushed();
    expect(connection.open).toBe(true);
    expect(await firstValueFrom(client.send('prototype', { a: 1 }))).toEqual({ polluted: null, isPlain: true });
  });

  it('with a hundred thousand patterns are remembered nowhere', async () => {
    await intrude();
    const { unknownEvents } = await target.service.call('serverCounters');
    for (let from = 0; from < 100_000; from += 5000) {
      await connection.writeAll(
        Array.from({ length: 5000 }, (_, i) => event('1', `${from + i}${'p'.repeat(600)}`)),
        Lane.events,
      );
    }
    await connection.flushed();
    expect((await target.service.call('serverCounters')).unknownEvents).toBe(unknownEvents + 100_000);
    // While it is still connected: 60 MB of patterns are not kept.
    expect(await target.grown()).toBeLessThan(RSS_SLACK);
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
    expect(await target.grown()).toBeLessThan(RSS_SLACK);
  });
});
