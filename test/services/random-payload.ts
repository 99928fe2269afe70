import { createHash } from 'node:crypto';

/** Characters of one to four bytes in UTF-8; the last is two units of UTF-16. */
const CHARACTERS = ['a', 'Z', '"', '\\', '\n', '\0', 'ß', 'Ω', '€', '語', '🙂'].map((text) => ({ text, bytes: Buffer.byteLength(text) }));

/** A generator of numbers that are the same in every process (xorshift32). */
function randomWords(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** `length` bytes; the same seed and length give the same bytes in every process. */
export function bytesOf(seed: number, length: number): Buffer {
  const next = randomWords(seed);
  const words = new Uint32Array((length + 3) >>> 2);
  for (let i = 0; i < words.length; i++) {
    words[i] = next();
  }
  return Buffer.from(words.buffer, 0, length);
}

/** A string of exactly `length` bytes in UTF-8; the same seed and length give the same string in every process. */
export function textOf(seed: number, length: number): string {
  const next = randomWords(seed);
  const parts: string[] = [];
  for (let left = length; left > 0;) {
    const character = CHARACTERS[next() % CHARACTERS.length]!;
    const fitting = character.bytes <= left ? character : CHARACTERS[0]!;
    parts.push(fitting.text);
    left -= fitting.bytes;
  }
  return parts.join('');
}

/** Strings and Buffers in turn, by the parity of the seed. */
export function payloadOf(seed: number, length: number): string | Buffer {
  return seed % 2 === 0 ? bytesOf(seed, length) : textOf(seed, length);
}

export function digestOf(payload: string | Uint8Array): string {
  return createHash('sha1').update(payload).digest('base64');
}
