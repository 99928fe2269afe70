import { beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import { type CodecName, RsmClient } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { mapFile } from '../services/fixture/map-file.js';
import { closeAfterwards, eventually, newServiceDirectory, type Service, startService } from '../support/index.js';

const CODECS: CodecName[] = ['json', 'msgpack'];
const COMBINATIONS = CODECS.flatMap((client) => CODECS.map((server) => [client, server] as const));
const MAP = readFileSync(mapFile(import.meta.url));

const services = {} as Record<CodecName, Service>;

beforeAll(async () => {
  for (const codec of CODECS) {
    services[codec] = await startService('payloads', { directory: newServiceDirectory(), options: { server: { codec } } });
  }
});

function bytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
}

function hash(value: ArrayBufferView | ArrayBuffer): string {
  const view = ArrayBuffer.isView(value) ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : Buffer.from(value);
  return createHash('sha256').update(view).digest('hex');
}

/** Jest runs tests in a vm context; msgpackr knows the typed arrays of the main one only, which is where services run. */
function ofMainRealm<T>(value: T): T {
  return deserialize(serialize(value)) as T;
}

const floats = new Float64Array([0, -0, 1.5, NaN, Infinity, 5e-324]);
const BINARY: [name: string, value: ArrayBufferView | ArrayBuffer][] = [
  ['Buffer', bytes(300)],
  ['Buffer', Buffer.alloc(0)],
  ['Uint8Array', new Uint8Array(bytes(64))],
  ['Int8Array', new Int8Array([-1, 0, 127])],
  ['Uint8ClampedArray', new Uint8ClampedArray([0, 255])],
  ['Uint16Array', new Uint16Array([1, 65_535])],
  ['Int16Array', new Int16Array([-32_768])],
  ['Uint32Array', new Uint32Array([4_294_967_295])],
  ['Int32Array', new Int32Array([-1])],
  ['Float32Array', new Float32Array([1.5, -0])],
  ['Float64Array', floats],
  ['BigInt64Array', new BigInt64Array([-1n])],
  ['BigUint64Array', new BigUint64Array([2n ** 64n - 1n])],
  ['ArrayBuffer', new Uint8Array(bytes(40)).buffer],
  ['DataView', new DataView(new Uint8Array(bytes(24)).buffer, 8, 8)],
];

describe.each(COMBINATIONS)('with codec %s at the client and %s at the server', (clientCodec, serverCodec) => {
  let service: Service;
  let client: RsmClient;

  beforeAll(() => {
    service = services[serverCodec];
    client = closeAfterwards(new RsmClient({ service: 'payloads', directory: service.directory, codec: clientCodec }));
  });

  const echo = (data: unknown): Promise<any> => lastValueFrom(client.send('echo', data));
  const described = async (data: unknown): Promise<any> => JSON.parse(await lastValueFrom(client.send('describe', data)));

  it.each(BINARY)('a %s arrives as one, byte for byte, and comes back as one', async (name, value) => {
    expect(await described(value)).toBe(`${name} ${value.byteLength} ${hash(value)}`);
    const back = await echo(value);
    expect(back.constructor.name).toBe(name);
    expect(hash(back)).toBe(hash(value));
  });

  it('binary stays binary at any depth', async () => {
    let deep: unknown = bytes(100);
    for (let i = 0; i < 50; i++) {
      deep = i % 2 === 0 ? { [`level ${i}`]: deep, other: i } : [i, deep, null];
    }
    expect(JSON.stringify(await described(deep))).toContain(`Buffer 100 ${hash(bytes(100))}`);
    expect(await echo(deep)).toEqual(deep);
  });

  it('several binary values beside other things keep their places', async () => {
    const value = {
      files: [
        { name: 'a', body: bytes(10), nothing: null },
        { name: 'ü', body: bytes(0) },
        { name: 'c', body: bytes(5_000) },
      ],
      samples: ofMainRealm({ left: new Float32Array([0.5]), right: new Float32Array([0.25, 0.125]) }),
      nothing: null,
      text: 'between',
    };
    const back = await echo(value);
    expect(back).toEqual(value);
    expect(Buffer.isBuffer(back.files[2].body)).toBe(true);
    expect(back.samples.right.constructor.name).toBe('Float32Array');
  });

  it('a Buffer of 3 MiB comes back byte for byte, top level and nested', async () => {
    const large = bytes(3 * 1024 * 1024);
    expect((await echo(large)).equals(large)).toBe(true);
    expect((await echo({ nested: [large] })).nested[0].equals(large)).toBe(true);
  });

  it.each([1, 63, 64, 65, 1_000, 65_535, 65_536, 1_000_000])(
    'a text of %i characters of one to four bytes arrives whole',
    async (length) => {
      const text = Array.from({ length }, (_, i) => ['a', 'é', '€', '𝄞'][i % 4]).join('');
      expect(await echo(text)).toBe(text);
      expect(await echo({ text })).toEqual({ text });
    },
  );

  it('text of all kinds of characters arrives as it was', async () => {
    const texts = ['', '\0', '"\\\n\u2028', '𝄞'.repeat(3), 'e\u0301', '👩‍👩‍👧‍👦', ' \ufeff '];
    expect(await echo(texts)).toEqual(texts);
    for (const text of texts.filter((one) => one !== '')) {
      expect(await echo({ [text]: text })).toEqual({ [text]: text });
      expect(await echo(text)).toBe(text);
    }
  });

  it("a Date arrives as the client's codec has it: JSON's text, MessagePack's Date", async () => {
    const at = new Date('2001-01-15T08:30:00.123Z');
    expect(await described({ at })).toEqual({ at: clientCodec === 'json' ? `string ${at.toISOString()}` : `Date ${at.toISOString()}` });
    const back = await echo({ at });
    expect(new Date(back.at)).toEqual(at);
  });

  it('keys that name properties of every object are only keys', async () => {
    const value = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":1},"toString":"text"}') as object;
    const back = await echo(value);
    expect(back.toString).toBe('text');
    expect(back.polluted).toBeUndefined();
    // Neither here nor there has an object got a property it did not have.
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(await described({ probe: {} })).toEqual({ probe: {} });
  });

  it('the map of 640 kB arrives as an object and as bytes', async () => {
    const map = await lastValueFrom(client.send('map', 0));
    expect(map).toEqual(JSON.parse(MAP.toString()));
    const raw: Buffer = await lastValueFrom(client.send('map-bytes', 0));
    expect(raw.equals(MAP)).toBe(true);
    expect(await echo(map)).toEqual(map);
  });

  it('events carry the same', async () => {
    const before = (await service.call('events')).length as number;
    const value = { body: bytes(1_000), text: '€' };
    client.emit('event', value);
    client.emit('event', bytes(3));
    client.emit('event', 'raw');
    await eventually(async () => expect((await service.call('events')).slice(before)).toEqual([value, bytes(3), 'raw']));
  });
});
