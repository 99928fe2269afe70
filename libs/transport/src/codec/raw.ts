import type { Encoded } from './codec.js';
import { binaryTypeOf, BinaryType, bytesOf, isBinary, PayloadFormat } from './format.js';

/** Fills `into` for the top-level values that travel as they are in every codec. Returns false for all others. */
export function encodeRaw(value: unknown, into: Encoded): boolean {
  if (typeof value === 'string') {
    into.format = PayloadFormat.string;
    into.payload = value;
    return true;
  }
  if (value === undefined) {
    into.format = PayloadFormat.none;
    into.payload = undefined;
    return true;
  }
  if (typeof value === 'object' && value !== null && isBinary(value)) {
    const type = binaryTypeOf(value);
    into.format = type === BinaryType.buffer ? PayloadFormat.buffer : PayloadFormat.binary | (type << 4);
    into.payload = bytesOf(value);
    return true;
  }
  return false;
}

/** Fills `into` with JSON text; values that JSON leaves out (a function) become `undefined`. */
export function encodeText(value: unknown, into: Encoded): void {
  const text = JSON.stringify(value) as string | undefined;
  into.format = text === undefined ? PayloadFormat.none : PayloadFormat.json;
  into.payload = text;
}
