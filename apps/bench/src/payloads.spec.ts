import { describe, expect, it } from '@jest/globals';
import { bytesPayload, FIRST_NUMBER, inFlight, nestPayload, payloadNames } from './payloads.js';

const overJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('payloads', () => {
  it.each(payloadNames.nest)('%s survives JSON and knows its number', (name) => {
    const payload = nestPayload(name);
    const sent = payload.write(payload.create(), 123_456);
    expect(payload.numberOf(payload.read(overJson(sent)))).toBe(123_456);
  });

  it.each(['64B', '1kB', '64kB'])('%s has that many bytes as JSON', (name) => {
    const payload = nestPayload(name);
    expect(Buffer.byteLength(JSON.stringify(payload.write(payload.create(), FIRST_NUMBER)))).toBe(payload.bytes);
  });

  it('notices a changed text', () => {
    const payload = nestPayload('64B');
    const { n, s } = payload.write(payload.create(), 7) as { n: number; s: string };
    expect(payload.numberOf({ n, s: `${s.slice(0, -1)}?` })).toBeNaN();
    expect(payload.numberOf(undefined)).toBeNaN();
  });

  it.each([64, 4_096])('notices any changed byte of %i', (size) => {
    const payload = bytesPayload('test', size);
    for (const at of [5, size / 2, size - 1]) {
      const bytes = payload.write(payload.create(), 7);
      bytes[at]! ^= 1;
      expect(payload.numberOf(bytes)).toBeNaN();
    }
    expect(payload.numberOf(payload.create().subarray(1))).toBeNaN();
  });

  it('finds its number where the message lies inside a larger Buffer', () => {
    const payload = bytesPayload('test', 64);
    const larger = Buffer.concat([Buffer.alloc(13, 1), payload.write(payload.create(), 7), Buffer.alloc(5, 1)]);
    expect(payload.numberAt(larger, 13, 64)).toBe(7);
    expect(payload.numberAt(larger, 12, 64)).toBeNaN();
  });

  it('lets fewer large ones go at once', () => {
    expect(inFlight(nestPayload('64B'), 256)).toBe(256);
    expect(inFlight(nestPayload('64kB'), 256)).toBe(64);
    expect(inFlight(nestPayload('1MiB'), 64)).toBe(4);
  });
});
