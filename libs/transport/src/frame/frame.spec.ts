import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RsmError } from '../errors.js';
import {
  extrasText,
  FrameFlag,
  FrameKind,
  type FrameOptions,
  FrameReader,
  FrameWriter,
  isHeaderWithin,
  MAX_HEADER_BYTES,
  monotonicMilliseconds,
  NO_FRAME_OPTIONS,
  ReplyFlag,
} from './index.js';

const scratch = Buffer.alloc(65_536);
const writer = new FrameWriter(scratch);
const reader = new FrameReader();

/** The message as received: somewhere in a larger Buffer. */
function receive(headerLength: number, payload: string | Uint8Array = ''): { buffer: Buffer; offset: number; length: number } {
  const message = Buffer.concat([scratch.subarray(0, headerLength), Buffer.from(payload as string)]);
  const buffer = Buffer.concat([Buffer.alloc(13, 0xff), message, Buffer.alloc(9, 0xff)]);
  return { buffer, offset: 13, length: message.length };
}

function read(headerLength: number, payload: string | Uint8Array = ''): string {
  const { buffer, offset, length } = receive(headerLength, payload);
  reader.read(buffer, offset, length);
  return buffer.toString('utf8', reader.payloadStart, reader.payloadEnd);
}

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const jsonObject = fc.option(fc.dictionary(fc.string(), fc.jsonValue()), { nil: undefined });
const frameOptions: fc.Arbitrary<FrameOptions> = fc.record({
  deadline: fc.oneof(fc.constant(0), fc.double({ min: 1e-3, max: 1e15, noNaN: true })),
  idempotent: fc.boolean(),
  serialized: fc.boolean(),
  extras: jsonObject.map((headers) => extrasText(headers, undefined)),
});

describe('frames', () => {
  it('carry events and requests', () => {
    const pattern = fc.option(fc.string({ unit: 'grapheme', maxLength: 200 }), { nil: undefined });
    fc.assert(
      fc.property(
        fc.boolean(),
        uint32,
        pattern,
        uint32,
        frameOptions,
        jsonObject,
        jsonObject,
        fc.nat(255),
        fc.string(),
        (isRequest, routeId, pattern, id, given, headers, metadata, format, payload) => {
          const options = { ...given, extras: extrasText(headers, metadata) };
          const length = isRequest
            ? writer.request(routeId, pattern, id, options, format)
            : writer.event(routeId, pattern, options, format);
          expect(read(length, payload)).toBe(Buffer.from(payload).toString());
          expect(reader).toMatchObject({
            kind: isRequest ? FrameKind.request : FrameKind.event,
            format,
            routeId: pattern === undefined ? routeId : 0,
            id: isRequest ? id : 0,
            deadline: options.deadline,
            idempotent: options.idempotent,
            serialized: options.serialized,
          });
          expect(reader.pattern).toBe(pattern === undefined ? undefined : Buffer.from(pattern).toString());
          expect(JSON.stringify(reader.headers)).toBe(JSON.stringify(headers));
          expect(JSON.stringify(reader.metadata)).toBe(JSON.stringify(metadata));
        },
      ),
    );
  });

  it('carry replies, cancels and routes', () => {
    fc.assert(
      fc.property(uint32, fc.nat(15), fc.nat(255), (id, flags, format) => {
        expect(read(writer.reply(id, flags, format), 'value')).toBe('value');
        expect(reader).toMatchObject({ kind: FrameKind.reply, id, flags, format, serialized: (flags & ReplyFlag.serialized) !== 0 });
        expect([reader.pattern, reader.headers, reader.metadata]).toEqual([undefined, undefined, undefined]);
        expect(read(writer.cancel(id))).toBe('');
        expect(reader).toMatchObject({ kind: FrameKind.cancel, id });
        read(writer.route(id), '{"cmd":"sům"}');
        expect(reader).toMatchObject({ kind: FrameKind.route, id, pattern: '{"cmd":"sům"}' });
      }),
    );
  });

  it('take eight bytes for the common event', () => {
    expect(writer.event(7, undefined, NO_FRAME_OPTIONS, 1)).toBe(8);
    expect([...scratch.subarray(0, 8)]).toEqual([FrameKind.event, 1, 0, 0, 7, 0, 0, 0]);
  });

  it('leave room between header and payload where they say so', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.option(fc.string({ maxLength: 50 }), { nil: undefined }),
        frameOptions,
        fc.nat(255),
        (isRequest, pattern, options, room) => {
          const length = isRequest ? writer.request(1, pattern, 7, options, 4) : writer.event(1, pattern, options, 4);
          const padded = Buffer.alloc(Math.max(length, room * 8), 0xee);
          scratch.copy(padded, 0, 0, length);
          padded[3] = room;
          const bytes = Buffer.concat([padded, Buffer.from('payload')]);
          expect(isHeaderWithin(bytes, 0, length + 4)).toBe(true);
          expect(isHeaderWithin(bytes, 0, length - 1)).toBe(false);
          if (room > 0 && room * 8 < length) {
            expect(() => reader.read(bytes, 0, bytes.length)).toThrow(expect.objectContaining({ code: 'RSM_CORRUPT_SEGMENT' }));
          } else {
            reader.read(bytes, 0, bytes.length);
            expect(bytes.toString('latin1', reader.payloadStart, reader.payloadEnd)).toBe('payload');
            expect(reader.pattern).toBe(pattern === undefined ? undefined : Buffer.from(pattern).toString());
          }
        },
      ),
    );
  });

  it('leave nothing of the frame before', () => {
    read(writer.request(0, 'a', 5, { deadline: 9, idempotent: true, serialized: true, extras: extrasText({ h: 1 }, { m: '2' }) }, 3));
    expect(reader.headers).toEqual({ h: 1 });
    read(writer.event(2, undefined, NO_FRAME_OPTIONS, 0));
    expect(reader).toMatchObject({
      id: 0,
      deadline: 0,
      idempotent: false,
      serialized: false,
      pattern: undefined,
      headers: undefined,
      metadata: undefined,
    });
  });

  it('keep __proto__ headers harmless', () => {
    read(writer.event(0, undefined, { ...NO_FRAME_OPTIONS, extras: '{"h":{"__proto__":{"x":1}}}' }, 0));
    expect(Object.getPrototypeOf(reader.headers)).toBe(Object.prototype);
    expect(reader.headers!['x']).toBeUndefined();
  });

  it('refuse headers that are too long before they leave, up to the last byte', () => {
    const options = (length: number): FrameOptions => ({ ...NO_FRAME_OPTIONS, extras: extrasText({ x: 'ž'.repeat(length) }, undefined) });
    const frame = 8 + 4 + Buffer.byteLength(JSON.stringify({ h: { x: '' } }));
    const fits = Math.floor((MAX_HEADER_BYTES - frame) / 2);
    expect(writer.event(0, undefined, options(fits), 0)).toBeLessThanOrEqual(MAX_HEADER_BYTES);
    const tooLarge = expect.objectContaining({
      code: 'RSM_MESSAGE_TOO_LARGE',
      message: expect.stringContaining('headers and metadata take'),
    });
    expect(() => writer.event(0, undefined, options(fits + 1), 0)).toThrow(tooLarge);
    expect(() => writer.request(0, 'x'.repeat(MAX_HEADER_BYTES), 1, NO_FRAME_OPTIONS, 0)).toThrow(
      expect.objectContaining({ code: 'RSM_MESSAGE_TOO_LARGE' }),
    );
    expect(() => writer.request(0, 'ž'.repeat(30_000), 1, options(5_000), 0)).toThrow(
      expect.objectContaining({ code: 'RSM_MESSAGE_TOO_LARGE' }),
    );
    expect(() => new FrameWriter(Buffer.alloc(100))).toThrow(RangeError);
  });

  it.each<[string, number[]]>([
    ['no frame', []],
    ['half a frame', [1, 0, 0, 0, 1, 0, 0]],
    ['an unknown kind', [6, 0, 0, 0, 0, 0, 0, 0]],
    ['unknown flags', [1, 0, 32, 0, 0, 0, 0, 0]],
    ['flags of events in a reply', [5, 0, FrameFlag.inlinePattern, 0, 0, 0, 0, 0]],
    ['flags in a cancel', [3, 0, 1, 0, 0, 0, 0, 0]],
    ['a reserved byte', [5, 0, 0, 1, 0, 0, 0, 0]],
    ['room past the end', [1, 0, 0, 2, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]],
    ['room that ends inside the header', [2, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]],
    ['bytes after a cancel', [3, 0, 0, 0, 1, 0, 0, 0, 0]],
    ['a request without id', [2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]],
    ['a pattern past the end', [1, 0, FrameFlag.inlinePattern, 0, 2, 0, 0, 0, 65]],
    ['a pattern of four gigabytes', [1, 0, FrameFlag.inlinePattern, 0, 255, 255, 255, 255, 65]],
    ['headers past the end', [1, 0, FrameFlag.extras, 0, 0, 0, 0, 0, 3, 0, 0, 0, 123, 125]],
    ['headers without a length', [1, 0, FrameFlag.extras, 0, 0, 0, 0, 0, 3, 0]],
    ['half a deadline', [1, 0, FrameFlag.deadline, 0, 0, 0, 0, 0, 1, 2, 3, 4]],
    ['a deadline that is not a number', [1, 0, FrameFlag.deadline, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f]],
  ])('refuse %s', (_, bytes) => {
    const buffer = Buffer.from([...bytes, 0, 0, 0, 0]);
    expect(() => reader.read(buffer, 0, bytes.length)).toThrow(expect.objectContaining({ code: 'RSM_CORRUPT_SEGMENT' }));
  });

  it.each(['', '[]', 'null', '{', '{"h":1}', '{"h":[]}', '{"m":null}'])('refuse the headers %j when asked for them', (text) => {
    const bytes = Buffer.from([1, 0, FrameFlag.extras, 0, 0, 0, 0, 0, text.length, 0, 0, 0, ...Buffer.from(text)]);
    reader.read(bytes, 0, bytes.length);
    expect(() => reader.headers).toThrow(expect.objectContaining({ code: 'RSM_CORRUPT_SEGMENT' }));
    expect(() => reader.metadata).toThrow(expect.objectContaining({ code: 'RSM_CORRUPT_SEGMENT' }));
  });

  it('throw nothing but RsmError for any bytes, and stay inside the message', () => {
    const start = fc.tuple(
      fc.integer({ min: 1, max: 5 }),
      fc.nat(255),
      fc.nat(31),
      fc.nat(4),
      fc.nat(40),
      fc.constant(0),
      fc.constant(0),
      fc.constant(0),
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }).map((array) => [...array]),
      fc.tuple(start, fc.uint8Array({ maxLength: 64 })).map(([head, rest]) => [...head, ...rest]),
    );
    fc.assert(
      fc.property(bytes, fc.nat(4), fc.nat(4), (bytes, offset, cut) => {
        const buffer = Buffer.from(bytes);
        const length = Math.max(0, bytes.length - offset - cut);
        try {
          reader.read(buffer, offset, length);
          expect(reader.payloadStart).toBeGreaterThanOrEqual(offset + 8);
          expect(reader.payloadStart).toBeLessThanOrEqual(reader.payloadEnd);
          expect(reader.payloadEnd).toBe(offset + length);
          expect(typeof (reader.pattern ?? '')).toBe('string');
          expect(typeof (reader.headers ?? reader.metadata ?? {})).toBe('object');
        } catch (error) {
          expect(RsmError.is(error) && error.code).toBe('RSM_CORRUPT_SEGMENT');
        }
      }),
      { numRuns: 5000 },
    );
  });
});

it('monotonicMilliseconds is the clock of process.hrtime', () => {
  const before = Number(process.hrtime.bigint()) / 1e6;
  const between = monotonicMilliseconds();
  const after = Number(process.hrtime.bigint()) / 1e6;
  expect(between).toBeGreaterThanOrEqual(before - 0.001);
  expect(between).toBeLessThanOrEqual(after + 0.001);
});
