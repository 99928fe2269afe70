import { describe, expect, it } from '@jest/globals';
import { runInThisContext } from 'node:vm';
import fc from 'fast-check';
import { RsmError } from '../errors.js';
import { type CodecName, createCodec, decode, type Encoded, PayloadFormat } from './index.js';

function encode(name: CodecName, value: unknown): { format: number; bytes: Buffer; payload: Encoded['payload'] } {
  const into: Encoded = { format: -1, payload: undefined };
  createCodec(name).encode(value, into);
  const { format, payload } = into;
  return { format, payload, bytes: typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload ?? []) };
}

/** As msgpackr writes objects: a key of its own called __proto__ is renamed. */
function harmlessKeys(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return value;
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key === '__proto__' ? '__proto_' : key, inner]));
}

/** Half a surrogate pair at the end becomes U+FFFD. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

/** As received: somewhere inside a larger Buffer that is overwritten after decoding. */
function roundTrip(name: CodecName, value: unknown, owned = false): unknown {
  const { format, bytes } = encode(name, value);
  const arena = Buffer.alloc(bytes.length + 20, 0xee);
  bytes.copy(arena, 7);
  const result = decode(format, arena, 7, 7 + bytes.length, owned);
  if (!owned) {
    arena.fill(0xdd);
  }
  return result;
}

/**
 * Typed arrays of the realm that Buffer is of. Jest gives tests the Uint8Array of Node.js, but all others of a realm of its own, and msgpackr asks `instanceof`
 * for nested ones. No such mixture exists outside Jest.
 */
const {
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} = runInThisContext('globalThis') as typeof globalThis;

const BINARIES = {
  buffer: Buffer.from('some bytes'),
  empty: Buffer.alloc(0),
  int8: new Int8Array([-1, 2]),
  uint8: new Uint8Array([1, 255]),
  clamped: new Uint8ClampedArray([1, 255]),
  int16: new Int16Array([-300, 2]),
  uint16: new Uint16Array([65_535]),
  int32: new Int32Array([-1, 2]),
  uint32: new Uint32Array([4_000_000_000]),
  float32: new Float32Array([1.5, NaN]),
  float64: new Float64Array([1.1, -0]),
  bigInt64: new BigInt64Array([-1n]),
  bigUint64: new BigUint64Array([2n ** 63n]),
  arrayBuffer: new Uint8Array([1, 2, 3]).buffer,
  dataView: new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2),
};

/** Class and bytes: expect's own equality takes a Buffer and a Uint8Array for the same. */
function describeBinary(value: unknown): [string, string] {
  const view = ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value as ArrayBuffer);
  return [(value as object).constructor.name, Buffer.from(view).toString('hex')];
}

describe.each<CodecName>(['json', 'msgpack'])('codec %s', (name) => {
  it.each<[string, unknown, number]>([
    ['undefined', undefined, PayloadFormat.none],
    ['null', null, PayloadFormat.json],
    ['a number', -1.5, PayloadFormat.json],
    ['false', false, PayloadFormat.json],
    ['an empty string', '', PayloadFormat.string],
    ['text', 'žluťoučký kůň 🐎', PayloadFormat.string],
  ])('carries %s', (_, value, format) => {
    expect(encode(name, value).format).toBe(format);
    expect(roundTrip(name, value)).toBe(value);
  });

  it('makes undefined of what neither can carry at the top level', () => {
    expect(roundTrip(name, () => 1)).toBeUndefined();
    expect(roundTrip(name, Symbol('x'))).toBeUndefined();
  });

  it('carries every JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.stringify(roundTrip(name, value))).toBe(JSON.stringify(value, name === 'msgpack' ? harmlessKeys : undefined));
      }),
      { examples: [[JSON.parse('[{"":{"__proto__":false}}]')]] },
    );
  });

  it.each(Object.entries(BINARIES))('carries %s at the top level, without copying at the sender', (_, value) => {
    for (const owned of [false, true]) {
      expect(describeBinary(roundTrip(name, value, owned))).toEqual(describeBinary(value));
    }
    const payload = encode(name, value).payload as Uint8Array;
    expect(payload.buffer).toBe(ArrayBuffer.isView(value) ? value.buffer : value);
  });

  it.each(Object.entries(BINARIES))('carries %s at any depth', (_, value) => {
    for (const owned of [false, true]) {
      const result = roundTrip(name, { a: [1, { b: value, c: null }], d: [[value]] }, owned) as {
        a: [number, { b: unknown; c: null }];
        d: unknown[][];
      };
      expect(describeBinary(result.a[1].b)).toEqual(describeBinary(value));
      expect(describeBinary(result.d[0]![0])).toEqual(describeBinary(value));
      expect(result.a[0]).toBe(1);
      expect(result.a[1].c).toBeNull();
    }
  });

  it('gives views on memory that the message owns', () => {
    const { format, bytes } = encode(name, { b: BINARIES.buffer });
    const result = decode(format, bytes, 0, bytes.length, true) as { b: Buffer };
    expect(result.b.buffer).toBe(bytes.buffer);
  });

  it('carries typed arrays in subclasses and views into larger memory', () => {
    class Samples extends Float32Array {}
    const result = roundTrip(name, new Samples([1, 2]));
    expect(describeBinary(result)).toEqual(describeBinary(new Float32Array([1, 2])));
    const view = new Int16Array(new Int16Array([1, 2, 3, 4]).buffer, 2, 2);
    expect(describeBinary(roundTrip(name, { view }) && (roundTrip(name, { view }) as { view: unknown }).view)).toEqual(
      describeBinary(new Int16Array([2, 3])),
    );
  });

  it('keeps keys such as __proto__ harmless', () => {
    const value = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":1}') as object;
    const withBinary = JSON.parse('{"__proto__":{"polluted":1},"b":{"__proto__":[null]}}') as { b: Record<string, unknown[]> };
    withBinary.b['__proto__']![0] = Buffer.from('x');
    for (const sent of [value, withBinary]) {
      const result = roundTrip(name, sent) as Record<string, unknown>;
      expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
      expect(result['polluted']).toBeUndefined();
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('throws nothing but RSM_CORRUPT_SEGMENT for any bytes', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1, max: 260 }), fc.uint8Array({ maxLength: 60 }), fc.boolean(), (format, bytes, owned) => {
        expectDecodedOrCorrupt(format, Buffer.from(bytes), owned);
      }),
      { numRuns: 3000 },
    );
  });

  it('throws nothing but RSM_CORRUPT_SEGMENT for messages with changed, missing or added bytes', () => {
    const { format, bytes } = encode(name, {
      list: [1, 'two', { three: Buffer.from('3') }],
      at: new Date(0),
      f: new Float64Array(2),
      long: 'x'.repeat(300),
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.integer({ min: -8, max: 8 }),
        (changes, more) => {
          const changed = Buffer.concat([bytes, Buffer.alloc(8)]).subarray(0, bytes.length + more);
          for (const [position, byte] of changes) {
            changed[position % changed.length] = byte;
          }
          expectDecodedOrCorrupt(format, changed, false);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

function expectDecodedOrCorrupt(format: number, bytes: Buffer, owned: boolean): void {
  try {
    decode(format, bytes, 0, bytes.length, owned);
  } catch (error) {
    expect(RsmError.is(error) && error.code).toBe('RSM_CORRUPT_SEGMENT');
  }
}

describe('codec json', () => {
  it('sends values without binary as plain JSON text, as JSON.stringify writes it', () => {
    const value = {
      at: new Date(0),
      skipped: undefined,
      f: () => 1,
      list: [undefined, NaN],
      map: new Map([[1, 2]]),
      boxed: new String('s'),
    };
    expect(encode('json', value)).toMatchObject({ format: PayloadFormat.json, payload: JSON.stringify(value) });
  });

  it('carries long texts beside the JSON text, wherever they stand and whatever is in them', () => {
    const ascii = 'a "quoted"\\line\n'.repeat(500);
    const wide = 'żółć — 東京 🚢 '.repeat(400);
    const lone = `${'x'.repeat(3000)}\ud800`;
    const value = { ascii, list: [1, wide, { deep: ascii }], lone, short: 'short', stands: { toJSON: () => wide }, ['__proto__x']: ascii };
    expect(encode('json', value).format).toBe(PayloadFormat.jsonWithAttachments);
    expect(roundTrip('json', value)).toEqual(JSON.parse(JSON.stringify(value)));
    expect(Object.keys(roundTrip('json', value) as object)).toEqual(Object.keys(value));
    expect(roundTrip('json', { toJSON: () => ascii })).toBe(ascii);
  });

  it.each([
    ['ASCII', 'all memory is equal ', PayloadFormat.asciiString],
    ['Latin-1', 'façade ', PayloadFormat.string],
    ['wide', '東京 🚢 ', PayloadFormat.string],
  ])('carries long strings, %s, of all lengths', (_, piece, format) => {
    for (const length of [511, 512, 513, 65_536, 500_000, 2_000_000]) {
      const text = wellFormed(piece.repeat(Math.ceil(length / piece.length)).slice(0, length));
      expect(roundTrip('json', text)).toBe(text);
      expect(roundTrip('msgpack', text)).toBe(text);
      expect(roundTrip('json', { list: [text], text, bytes: Buffer.from(piece) })).toEqual({
        list: [text],
        text,
        bytes: Buffer.from(piece),
      });
    }
    expect(encode('json', piece.repeat(100)).format).toBe(format);
  });

  it('carries more than its scratch memory holds', () => {
    const value = { bytes: Buffer.alloc(5_000_000, 'bytes'), text: 'wide: 東京'.repeat(1_000), ascii: 'x'.repeat(3_000_000) };
    expect(roundTrip('json', value)).toEqual(value);
  });

  it('keeps apart what is encoded while another value is asked for its JSON', () => {
    const text = 'outer '.repeat(1_000);
    const value = {
      text,
      inner: {
        toJSON: () => {
          expect(roundTrip('json', { text: 'inner '.repeat(2_000), bytes: Buffer.alloc(9_999) })).toBeDefined();
          return text.toUpperCase();
        },
      },
    };
    expect(roundTrip('json', value)).toEqual({ text, inner: text.toUpperCase() });
  });

  it('honours toJSON beside binary values, calling it on the value only and not on what it returns', () => {
    const inner = { toJSON: () => 'never asked' };
    const value = {
      b: Buffer.from('x'),
      at: new Date(0),
      asked: { toJSON: (key: string) => ({ key, inner: [Buffer.from('y')] }) },
      replaced: { toJSON: () => inner },
      itself: { n: 1, toJSON(): unknown { return this; } }, // prettier-ignore
      gone: undefined,
      boxed: [new Number(1), new String('s'), new Boolean(false), () => 1, undefined, Symbol('s')],
    };
    expect(roundTrip('json', value)).toEqual({
      b: Buffer.from('x'),
      at: '1970-01-01T00:00:00.000Z',
      asked: { key: 'asked', inner: [Buffer.from('y')] },
      replaced: {},
      itself: { n: 1 },
      boxed: [1, 's', false, null, null, null],
    });
  });

  it('carries what a toJSON at the top level returns', () => {
    expect(roundTrip('json', { toJSON: () => Buffer.from('top') })).toEqual(Buffer.from('top'));
    expect(roundTrip('json', { toJSON: () => 'text' })).toBe('text');
    expect(roundTrip('json', { toJSON: () => undefined })).toBeUndefined();
    expect(roundTrip('json', { toJSON: () => ({ b: new Uint8Array(2) }) })).toEqual({ b: new Uint8Array(2) });
  });

  it('refuses cycles and BigInt as JSON.stringify does', () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = { cycle };
    expect(() => encode('json', cycle)).toThrow(TypeError);
    cycle['b'] = Buffer.from('x');
    expect(() => encode('json', cycle)).toThrow(/circular/);
    expect(() => encode('json', { n: 1n })).toThrow(TypeError);
    expect(() => encode('json', 1n)).toThrow(TypeError);
    const shared = { b: Buffer.from('x') };
    expect(roundTrip('json', { one: shared, two: shared })).toEqual({ one: shared, two: shared });
  });

  it('finds a binary value deeper than the quick scan looks', () => {
    let value: unknown = Buffer.from('deep');
    let plain: unknown = 1;
    for (let i = 0; i < 1200; i++) {
      value = i % 2 === 0 ? [value] : { v: value };
      plain = [plain];
    }
    let result = roundTrip('json', value);
    for (let i = 1199; i >= 0; i--) {
      result = i % 2 === 0 ? (result as unknown[])[0] : (result as { v: unknown }).v;
    }
    expect(result).toEqual(Buffer.from('deep'));
    expect(encode('json', plain).payload).toBe(JSON.stringify(plain));
  });

  it.each<[string, unknown, unknown[]]>([
    ['to a prototype', { a: null }, ['__proto__', 'polluted']],
    ['to an inherited property', {}, ['toString']],
    ['to a missing key', { a: null }, ['b']],
    ['to a taken place', { a: 1 }, ['a']],
    ['past the end of a list', [null], [1]],
    ['to the length of a list', [null], ['length']],
    ['by text into a list', [null], ['0']],
    ['through a string', { a: 'xyz' }, ['a', 0]],
    ['to the root', {}, []],
  ])('refuses an attachment path %s', (_, value, path) => {
    const text = Buffer.from(JSON.stringify([value, [path]]));
    const head = Buffer.alloc(4);
    head.writeUInt32LE(text.length);
    const bytes = Buffer.concat([head, text, Buffer.from([2, 1, 0, 0, 0, 65])]);
    expect(() => decode(PayloadFormat.jsonWithAttachments, bytes, 0, bytes.length, false)).toThrow(
      expect.objectContaining({ code: 'RSM_CORRUPT_SEGMENT' }),
    );
  });

  it('decodes JSON of any depth', () => {
    const bytes = Buffer.from('['.repeat(200_000) + ']'.repeat(200_000));
    expect(Array.isArray(decode(PayloadFormat.json, bytes, 0, bytes.length, false))).toBe(true);
  });
});

describe('codec msgpack', () => {
  it('keeps what JSON loses', () => {
    const value = {
      at: new Date(1_234_567_890_123),
      gone: undefined,
      nan: NaN,
      big: 2n ** 70n,
      small: -5n,
      set: new Set([1, 'a']),
      re: /a+/gi,
    };
    expect(roundTrip('msgpack', value)).toEqual(value);
    expect(roundTrip('msgpack', 12n)).toBe(12n);
    const error = roundTrip('msgpack', { e: new TypeError('bad', { cause: 'why' }) }) as { e: Error };
    expect(error.e).toBeInstanceOf(TypeError);
    expect(error.e).toMatchObject({ message: 'bad', cause: 'why' });
  });

  it('carries objects of many keys, long texts and many lists', () => {
    const many = Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`key ${i}`, i]));
    expect(roundTrip('msgpack', many)).toEqual(many);
    const texts = ['', 'é'.repeat(31), 'x'.repeat(255), 'ž'.repeat(40_000), '🐎'.repeat(20_000)];
    expect(roundTrip('msgpack', texts)).toEqual(texts);
    const lists = Array.from({ length: 70_000 }, (_, i) => [i, -1 - i, i / 3]);
    expect(roundTrip('msgpack', lists)).toEqual(lists);
  });

  it.each<[string, number[]]>([
    ['nothing', []],
    ['a record definition (msgpackr makes a function of it)', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01]],
    ['a record definition of two bytes', [0xd5, 0x72, 0x40, 0x00, 0x91, 0xa1, 0x61, 0x01]],
    ['a reference', [0xd6, 0x70, 0, 0, 0, 1]],
    ['a referenced value', [0xd6, 0x69, 0, 0, 0, 1, 0x90]],
    ['bundled strings', [0xd6, 0x62, 0, 0, 0, 5, 0xc1, 1, 0xa1, 65, 0xa0]],
    ['the never used token', [0xc1]],
    ['an unknown extension', [0xd4, 0x01, 0x00]],
    ['a list longer than the payload', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['nested lists that ask for gigabytes', [0xdd, 0x00, 0x00, 0x00, 0x09, 0xdd, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0]],
    ['text longer than the payload', [0xdb, 0x00, 0x00, 0x01, 0x00, 65]],
    ['a second value', [0x01, 0x02]],
    ['a typed array of no type', [0xc7, 0, 0x74]],
    ['a typed array of half an element', [0xc7, 2, 0x74, 3, 1]],
    ['an error that is found in Object.prototype', [0xd4, 0x65, 0, 0x93, 0xa7, ...Buffer.from('valueOf'), 0xa0, 0xc0]],
    ['the same with its first letter in two bytes', [0xd4, 0x65, 0, 0x93, 0xa8, 0xc1, 0xb6, ...Buffer.from('alueOf'), 0xa0, 0xc0]],
    ['an error that is no list', [0xd4, 0x65, 0, 0xa1, 65]],
    ['a list as key', [0x81, 0x91, 1, 1]],
    ['a broken regular expression', [0xd4, 0x78, 0, 0x92, 0xa1, 0x28, 0xa0]],
  ])('refuses %s', (_, bytes) => {
    expect(() => decode(PayloadFormat.msgpack, Buffer.from(bytes), 0, bytes.length, false)).toThrow(
      expect.objectContaining({ code: 'RSM_CORRUPT_SEGMENT' }),
    );
  });

  it('refuses nesting that exhausts the stack, and works on', () => {
    const bytes = Buffer.alloc(1_000_000, 0x91);
    bytes[bytes.length - 1] = 0xc0;
    expect(() => decode(PayloadFormat.msgpack, bytes, 0, bytes.length, false)).toThrow(
      expect.objectContaining({ code: 'RSM_CORRUPT_SEGMENT' }),
    );
    expect(roundTrip('msgpack', [1])).toEqual([1]);
  });

  it('leaves payloads as they are when the next message is encoded', () => {
    const codec = createCodec('msgpack');
    const into: Encoded = { format: 0, payload: undefined };
    codec.encode({ n: 'first' }, into);
    const first = into.payload as Uint8Array;
    const bytes = Buffer.from(first);
    codec.encode({ n: 'other' }, into);
    expect(Buffer.from(first)).toEqual(bytes);
  });
});

it('refuses an unknown codec', () => {
  expect(() => createCodec('xml' as CodecName)).toThrow(/codec is "xml"; allowed are 'json' and 'msgpack'/);
});
