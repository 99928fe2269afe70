import { corrupt } from '../errors.js';

/**
 * How a payload is written. One byte in each frame, so a receiver decodes whatever the sender chose:
 *
 * ```
 *   bit   7   6   5   4   3   2   1   0
 *       +---------------+---------------+
 *       |  binary type  |    format     |
 *       +---------------+---------------+
 * ```
 *
 * The upper half is 0 except for `binary`, where it names the type the bytes had; so the bytes themselves travel as they are, without a copy to put a tag
 * before them.
 */
export const PayloadFormat = {
  /** `undefined`: no bytes. */
  none: 0,
  /** JSON text. */
  json: 1,
  msgpack: 2,
  /** A string as raw UTF-8. */
  string: 3,
  /** A Buffer's bytes. */
  buffer: 4,
  /** JSON text with its binary values and long strings behind it. */
  jsonWithAttachments: 5,
  /** The bytes of a typed array, an ArrayBuffer or a DataView. */
  binary: 6,
  /** A long string of ASCII only, one byte a unit: read in half the time of UTF-8. */
  asciiString: 7,
} as const;
export type PayloadFormat = (typeof PayloadFormat)[keyof typeof PayloadFormat];

export const FORMAT_MASK = 0x0f;

/** Types of binary values; part of the protocol. */
export const BinaryType = {
  arrayBuffer: 0,
  dataView: 1,
  buffer: 2,
  int8: 3,
  uint8: 4,
  uint8Clamped: 5,
  int16: 6,
  uint16: 7,
  int32: 8,
  uint32: 9,
  float32: 10,
  float64: 11,
  bigInt64: 12,
  bigUint64: 13,
  /** A long string, as UTF-8: only among the attachments of JSON. */
  text: 14,
  /** A long string of ASCII only, as asciiString: only among the attachments of JSON. */
  asciiText: 15,
} as const;
export type BinaryType = (typeof BinaryType)[keyof typeof BinaryType];

export type BinaryValue = ArrayBuffer | ArrayBufferView;

/** UTF-16 units from which a string travels beside its JSON text: escaping it takes twenty times as long as copying it. */
export const LONG_TEXT = 512;

type TypedArrayConstructor = {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): ArrayBufferView;
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
};

const TYPED_ARRAYS: Partial<Record<number, TypedArrayConstructor>> = {
  [BinaryType.int8]: Int8Array,
  [BinaryType.uint8]: Uint8Array,
  [BinaryType.uint8Clamped]: Uint8ClampedArray,
  [BinaryType.int16]: Int16Array,
  [BinaryType.uint16]: Uint16Array,
  [BinaryType.int32]: Int32Array,
  [BinaryType.uint32]: Uint32Array,
  [BinaryType.float32]: Float32Array,
  [BinaryType.float64]: Float64Array,
  [BinaryType.bigInt64]: BigInt64Array,
  [BinaryType.bigUint64]: BigUint64Array,
};

const TYPE_BY_NAME = new Map<string, number>(Object.entries(TYPED_ARRAYS).map(([type, constructor]) => [constructor!.name, Number(type)]));

// Names the true type also for subclasses and for arrays of another realm (a vm context).
const typedArrayName = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!.get!;

/** Whether a string is better off as an attachment. One with lone surrogates is not: UTF-8 cannot hold them, JSON's escapes can. */
export function isLongText(value: string): boolean {
  return value.length >= LONG_TEXT && (value as string & { isWellFormed(): boolean }).isWellFormed();
}

export function isBinary(value: object): value is BinaryValue {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

/** A type this version cannot name (a newer kind of typed array) counts as bytes. */
export function binaryTypeOf(value: BinaryValue): number {
  if (!ArrayBuffer.isView(value)) {
    return BinaryType.arrayBuffer;
  }
  if (Buffer.isBuffer(value)) {
    return BinaryType.buffer;
  }
  const name = typedArrayName.call(value) as string | undefined;
  return name === undefined ? BinaryType.dataView : (TYPE_BY_NAME.get(name) ?? BinaryType.uint8);
}

/** The same memory as bytes; nothing is copied. */
export function bytesOf(value: BinaryValue): Uint8Array {
  if (value instanceof Uint8Array) {
    return value;
  }
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value);
}

/**
 * The value whose bytes are buffer[start..end). A view on `buffer` where that is `owned` by the message and the alignment allows it, else a copy.
 * Throws RSM_CORRUPT_SEGMENT.
 */
export function restoreBinary(type: number, buffer: Buffer, start: number, end: number, owned: boolean): BinaryValue {
  if (type === BinaryType.buffer) {
    const bytes = buffer.subarray(start, end);
    return owned ? bytes : Buffer.from(bytes);
  }
  const length = end - start;
  const constructor = TYPED_ARRAYS[type];
  const elementSize = constructor?.BYTES_PER_ELEMENT ?? 1;
  if (constructor === undefined && type !== BinaryType.arrayBuffer && type !== BinaryType.dataView) {
    throw corrupt(`binary type ${type} does not exist`);
  }
  if (length % elementSize !== 0) {
    throw corrupt(`${length} bytes for a ${constructor!.name} of ${elementSize} bytes an element`);
  }
  let memory: ArrayBufferLike = buffer.buffer;
  let offset = buffer.byteOffset + start;
  if (!owned || type === BinaryType.arrayBuffer || offset % elementSize !== 0) {
    memory = memory.slice(offset, offset + length);
    offset = 0;
  }
  if (type === BinaryType.arrayBuffer) {
    return memory as ArrayBuffer;
  }
  return constructor === undefined ? new DataView(memory, offset, length) : new constructor(memory, offset, length / elementSize);
}
