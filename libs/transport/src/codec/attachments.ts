import { corrupt } from '../errors.js';
import type { Encoded } from './codec.js';
import { BinaryType, type BinaryValue, binaryTypeOf, bytesOf, isBinary, isLongText, PayloadFormat, restoreBinary } from './format.js';
import { encodeRaw, encodeText } from './raw.js';
import { MOST_BYTES_A_UNIT, scratchOf } from './scratch.js';

/*
 * JSON with attachments:
 *
 *   uint32 n | n bytes of JSON text: [value, paths] | for each path: uint8 binary type (or text, asciiText), uint32 length, bytes
 *
 * (little-endian). The value has null where an attachment belongs; a path is the list of keys and indexes that lead there.
 */
type Path = (string | number)[];
type Attachment = BinaryValue | string;
const ATTACHMENT_HEAD = 5;

/** Fills `into`. Called for values that may hold attachments; where none is found the result is plain JSON. */
export function encodeWithAttachments(value: object, into: Encoded): void {
  const attachments = new Attachments();
  const stripped = attachments.strip(value, '');
  if (attachments.values.length === 0) {
    encodeText(stripped, into);
    return;
  }
  if (attachments.paths[0]!.length === 0) {
    encodeRaw(attachments.values[0], into); // a toJSON that returned a binary value or a long string
    return;
  }
  // The last of the user's code: nothing can come between what is written now and its way into the partitions.
  const text = JSON.stringify([stripped, attachments.paths]);
  let most = 4 + text.length * MOST_BYTES_A_UNIT;
  for (const attachment of attachments.values) {
    most += ATTACHMENT_HEAD + (typeof attachment === 'string' ? attachment.length * MOST_BYTES_A_UNIT : attachment.byteLength);
  }
  const bytes = scratchOf(most) ?? Buffer.allocUnsafeSlow(4 + Buffer.byteLength(text) + sizeOf(attachments.values));
  const textBytes = bytes.write(text, 4, 'utf8');
  bytes.writeUInt32LE(textBytes, 0);
  let position = 4 + textBytes;
  for (const attachment of attachments.values) {
    position = writeAttachment(attachment, bytes, position);
  }
  into.format = PayloadFormat.jsonWithAttachments;
  into.payload = bytes.subarray(0, position);
}

function sizeOf(attachments: readonly Attachment[]): number {
  let size = 0;
  for (const attachment of attachments) {
    size += ATTACHMENT_HEAD + (typeof attachment === 'string' ? Buffer.byteLength(attachment) : attachment.byteLength);
  }
  return size;
}

/** Returns where the next one begins. */
function writeAttachment(attachment: Attachment, bytes: Buffer, position: number): number {
  const start = position + ATTACHMENT_HEAD;
  let type: number;
  let length: number;
  if (typeof attachment === 'string') {
    length = bytes.write(attachment, start, 'utf8');
    type = length === attachment.length ? BinaryType.asciiText : BinaryType.text;
  } else {
    length = attachment.byteLength;
    type = binaryTypeOf(attachment);
    bytes.set(bytesOf(attachment), start);
  }
  bytes[position] = type;
  bytes.writeUInt32LE(length, position + 1);
  return start + length;
}

/** Takes the binary values and long strings out of a value. */
class Attachments {
  readonly paths: Path[] = [];
  readonly values: Attachment[] = [];
  private readonly path: Path = [];
  private readonly ancestors: object[] = [];

  /** A copy that stringifies as `value` does (toJSON has been called already), with null for each attachment. */
  strip(value: unknown, key: string): unknown {
    if (typeof value === 'string' && isLongText(value)) {
      return this.attach(value);
    }
    if (typeof value !== 'object' || value === null) {
      return value;
    }
    if (!isBinary(value) && typeof (value as { toJSON?: unknown }).toJSON === 'function') {
      const replacement: unknown = (value as { toJSON(key: string): unknown }).toJSON(key);
      if (typeof replacement === 'string' && isLongText(replacement)) {
        return this.attach(replacement);
      }
      return typeof replacement === 'object' && replacement !== null ? this.stripObject(replacement) : replacement;
    }
    return this.stripObject(value);
  }

  private attach(value: Attachment): null {
    this.paths.push([...this.path]);
    this.values.push(value);
    return null;
  }

  private stripObject(value: object): unknown {
    if (isBinary(value)) {
      return this.attach(value);
    }
    if (value instanceof Number || value instanceof String || value instanceof Boolean || value instanceof BigInt) {
      return value; // JSON.stringify unwraps them
    }
    if (this.ancestors.includes(value)) {
      throw new TypeError(`Converting circular structure to JSON: the value at ${JSON.stringify(this.path)} contains itself`);
    }
    this.ancestors.push(value);
    const copy = Array.isArray(value) ? this.stripArray(value) : this.stripProperties(value as Record<string, unknown>);
    this.ancestors.pop();
    return copy;
  }

  private stripArray(array: unknown[]): unknown[] {
    const copy = new Array<unknown>(array.length);
    for (let i = 0; i < array.length; i++) {
      this.path.push(i);
      copy[i] = this.strip(array[i], String(i));
      this.path.pop();
    }
    return copy;
  }

  private stripProperties(object: Record<string, unknown>): Record<string, unknown> {
    const copy: Record<string, unknown> = {};
    for (const key of Object.keys(object)) {
      const property = object[key];
      if (typeof property === 'function') {
        continue; // JSON leaves it out; a toJSON among them would be called a second time
      }
      this.path.push(key);
      const stripped = this.strip(property, key);
      this.path.pop();
      if (key === '__proto__') {
        Object.defineProperty(copy, key, { value: stripped, enumerable: true, writable: true, configurable: true });
      } else {
        copy[key] = stripped;
      }
    }
    return copy;
  }
}

/**
 * The value in buffer[start..end). `shared`: the bytes may change meanwhile, so each is read once, and text is copied before it is decoded (V8 goes over it twice).
 * Throws RSM_CORRUPT_SEGMENT.
 */
export function decodeWithAttachments(buffer: Buffer, start: number, end: number, owned: boolean, shared = false): unknown {
  if (end - start < 4) {
    throw corrupt(`${end - start} bytes are too few for JSON with attachments`);
  }
  const textBytes = buffer.readUInt32LE(start);
  let position = start + 4 + textBytes;
  if (position > end) {
    throw corrupt(`JSON text of ${textBytes} bytes in a payload of ${end - start}`);
  }
  const [value, paths] = parseTextAndPaths(textIn(buffer, start + 4, position, shared));
  for (const path of paths) {
    if (end - position < ATTACHMENT_HEAD) {
      throw corrupt(`${paths.length} attachments announced, the payload ends before`);
    }
    const type = buffer[position]!;
    const length = buffer.readUInt32LE(position + 1);
    position += ATTACHMENT_HEAD;
    if (length > end - position) {
      throw corrupt(`an attachment of ${length} bytes where ${end - position} are left`);
    }
    const last = position + length;
    attach(value, path, restore(type, buffer, position, last, owned, shared));
    position += length;
  }
  if (position !== end) {
    throw corrupt(`${end - position} bytes after the last attachment`);
  }
  return value;
}

function restore(type: number, buffer: Buffer, start: number, end: number, owned: boolean, shared: boolean): Attachment {
  switch (type) {
    case BinaryType.text:
      return textIn(buffer, start, end, shared);
    case BinaryType.asciiText:
      return buffer.toString('latin1', start, end);
    default:
      return restoreBinary(type, buffer, start, end, owned);
  }
}

function textIn(buffer: Buffer, start: number, end: number, shared: boolean): string {
  return shared ? Buffer.from(buffer.subarray(start, end)).toString('utf8') : buffer.toString('utf8', start, end);
}

function parseTextAndPaths(text: string): [unknown, unknown[]] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw corrupt('its JSON text cannot be parsed', error);
  }
  if (!Array.isArray(parsed) || parsed.length !== 2 || !Array.isArray(parsed[1])) {
    throw corrupt('JSON with attachments is not [value, paths]');
  }
  return parsed as [unknown, unknown[]];
}

/** Walks own properties only, and replaces nothing but a null: no path leads to a prototype. */
function attach(root: unknown, path: unknown, attachment: Attachment): void {
  if (!Array.isArray(path) || path.length === 0) {
    throw corrupt('the path of an attachment is not a list of keys');
  }
  let holder = root;
  for (let i = 0; ; i++) {
    const key: unknown = path[i];
    if (typeof holder !== 'object' || holder === null || !isKeyOf(holder, key)) {
      throw corrupt('the path of an attachment leads nowhere');
    }
    const next: unknown = (holder as Record<string | number, unknown>)[key];
    if (i === path.length - 1) {
      if (next !== null) {
        throw corrupt('the path of an attachment leads to a place already taken');
      }
      (holder as Record<string | number, unknown>)[key] = attachment;
      return;
    }
    if (typeof next === 'object' && next !== null && isBinary(next)) {
      throw corrupt('the path of an attachment leads into another one');
    }
    holder = next;
  }
}

function isKeyOf(holder: object, key: unknown): key is string | number {
  return Array.isArray(holder)
    ? Number.isInteger(key) && Object.hasOwn(holder, key as number)
    : typeof key === 'string' && Object.hasOwn(holder, key);
}
