import { randomBytes } from 'node:crypto';

/** Lower case only: file systems that ignore case must not fold two ids into one. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** Length of an instance id in characters (and bytes). Short, because it stands in a socket's path. */
export const INSTANCE_ID_LENGTH = 16;

/** A random id of 80 bits, never used again: a socket that refuses can be removed without asking whose it was. */
export function newInstanceId(): string {
  let id = '';
  for (const byte of randomBytes(INSTANCE_ID_LENGTH)) id += ALPHABET[byte & 31];
  return id;
}
