import type { Encoded } from './codec.js';
import { binaryTypeOf, BinaryType, bytesOf, isBinary, LONG_TEXT, PayloadFormat } from './format.js';
import { MOST_BYTES_A_UNIT, scratchOf } from './scratch.js';

/** Fills `into` for the top-level values that travel as they are in every codec. Returns false for all others. */
export function encodeRaw(value: unknown, into: Encoded): boolean {
  if (typeof value === 'string') {
    encodeString(value, into);
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

function encodeString(value: string, into: Encoded): void {
  const scratch = value.length < LONG_TEXT ? undefined : scratchOf(value.length * MOST_BYTES_A_UNIT);
  if (scratch === undefined) {
    into.format = PayloadFormat.string;
    into.payload = value;
    return;
  }
  const length = scratch.write(value, 0, 'utf8');
  into.format = length === value.length ? PayloadFormat.asciiString : PayloadFormat.string;
  into.payload = scratch.subarray(0, length);
}

/** Fills `into` with JSON text; values that JSON leaves out (a function) become `undefined`. */
export function encodeText(value: unknown, into: Encoded): void {
  const text = JSON.stringify(value) as string | undefined;
  into.format = text === undefined ? PayloadFormat.none : PayloadFormat.json;
  into.payload = text;
}
