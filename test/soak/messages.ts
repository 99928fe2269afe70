/** What clients of the soak send, and how a server takes it apart again. */
import { crc32 } from 'node:zlib';
import type { Random } from './random.js';

/**
 * Patterns of events. `plain`, `mixed`: objects, without a record; `raw`, `text`: top-level Buffer and string, the number in the headers; `serial`: one handler at a
 * time; `manual`: acked or nacked by the handler; `retry`: some throw RsmRetriableException at first; `tree.…`: matched by a wildcard.
 */
export const ROUTES = { plain: 30, mixed: 15, raw: 20, text: 15, serial: 5, manual: 5, retry: 5, 'tree.a.b': 5 } as const;
export type Route = keyof typeof ROUTES;

/** Who sent it, and its number: from 1, one more for each event (requests: the same by themselves). */
export interface Tag {
  s: string;
  n: number;
}

export interface Numbered extends Tag {
  body: string | Buffer;
}

/** Bytes; the largest is longer than every span, so it goes in fragments. */
const SIZES = {
  tiny: [1, 64],
  small: [65, 1_024],
  middle: [1_025, 16_384],
  large: [16_385, 262_144],
  huge: [262_145, 4 * 1024 * 1024],
} as const;
const SIZE_WEIGHTS = { tiny: 550, small: 320, middle: 100, large: 26, huge: 4 };

/** In some short texts: more than one byte in UTF-8, or escaped in JSON. */
const SIGNS = 'ä€"\\\n';

export function randomSize(random: Random): number {
  const [low, high] = SIZES[random.weighted(SIZE_WEIGHTS)];
  return random.between(low, high);
}

/** Bodies are pieces of one long random text (and of the bytes of it): made once, different at every offset. */
export class Bodies {
  private readonly bytes: Buffer;
  private readonly letters: string;
  private readonly signs: string;

  constructor(random: Random) {
    const length = 8 * 1024 * 1024;
    this.bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i += 4) this.bytes.writeUInt32LE(Math.floor(random.next() * 2 ** 32), i);
    this.letters = this.bytes.toString('base64', 0, 6 * 1024 * 1024);
    this.signs = this.letters.slice(0, 4_096).replaceAll(/[a-m]/g, (letter) => SIGNS.charAt(letter.charCodeAt(0) % SIGNS.length));
  }

  buffer(random: Random, size: number): Buffer {
    const offset = random.between(0, this.bytes.length - size);
    return this.bytes.subarray(offset, offset + size);
  }

  /** `size` UTF-16 units; where they are few, of more than one byte. */
  text(random: Random, size: number): string {
    const source = size <= 1_024 && random.chance(0.3) ? this.signs : this.letters;
    const offset = random.between(0, source.length - size);
    return source.slice(offset, offset + size);
  }
}

/** Of a body as it was sent or received: length in bytes and CRC-32, one word. */
export function digestOf(body: unknown): string {
  if (typeof body === 'string') {
    const bytes = Buffer.from(body);
    return `t${bytes.length}.${crc32(bytes).toString(16)}`;
  }
  return body instanceof Uint8Array ? `b${body.length}.${crc32(body).toString(16)}` : `?${typeof body}`;
}
