import { corrupt } from '../errors.js';
import { decodeWithAttachments } from './attachments.js';
import { BinaryType, FORMAT_MASK, PayloadFormat, restoreBinary } from './format.js';
import { decodeMsgpack } from './msgpack.codec.js';

/**
 * The value a sender encoded as buffer[start..end) in `format` (the byte of the frame). Where the Buffer is `owned` by this message, Buffers and typed arrays are
 * views on it if the alignment allows; else everything kept is copied. Throws RSM_CORRUPT_SEGMENT for bytes that cannot be decoded.
 */
export function decode(format: number, buffer: Buffer, start: number, end: number, owned: boolean): unknown {
  if (!(start >= 0 && start <= end && end <= buffer.length)) {
    throw corrupt(`a payload from ${start} to ${end} in ${buffer.length} bytes`);
  }
  switch (format) {
    case PayloadFormat.none:
      if (start !== end) {
        throw corrupt(`${end - start} bytes where none are due`);
      }
      return undefined;
    case PayloadFormat.json:
      return parseJson(buffer, start, end);
    case PayloadFormat.msgpack:
      return decodeMsgpack(buffer, start, end, owned);
    case PayloadFormat.string:
      return readText(buffer, 'utf8', start, end);
    case PayloadFormat.asciiString:
      return readText(buffer, 'latin1', start, end);
    case PayloadFormat.buffer:
      return restoreBinary(BinaryType.buffer, buffer, start, end, owned);
    case PayloadFormat.jsonWithAttachments:
      return decodeWithAttachments(buffer, start, end, owned);
    default:
      if ((format & FORMAT_MASK) === PayloadFormat.binary && format <= 0xff) {
        return restoreBinary(format >> 4, buffer, start, end, owned);
      }
      throw corrupt(`payload format ${format} does not exist`);
  }
}

/** Whether decodeInPlace() can do something with a payload of this format. */
export function isBinaryFormat(format: number): boolean {
  return format === PayloadFormat.buffer || format === PayloadFormat.jsonWithAttachments || (format & FORMAT_MASK) === PayloadFormat.binary;
}

/**
 * As decode(), of bytes that their sender can change at any time: Buffers and typed arrays are views on them if the alignment allows; text is copied before it is
 * decoded, and each number is read once. For the formats of isBinaryFormat().
 */
export function decodeInPlace(format: number, view: Buffer): unknown {
  return format === PayloadFormat.jsonWithAttachments
    ? decodeWithAttachments(view, 0, view.length, true, true)
    : decode(format, view, 0, view.length, true);
}

function parseJson(buffer: Buffer, start: number, end: number): unknown {
  try {
    return JSON.parse(buffer.toString('utf8', start, end));
  } catch (error) {
    throw corrupt('its JSON text cannot be parsed', error);
  }
}

function readText(buffer: Buffer, encoding: 'utf8' | 'latin1', start: number, end: number): string {
  try {
    return buffer.toString(encoding, start, end);
  } catch (error) {
    throw corrupt(`${end - start} bytes are too long for a string`, error);
  }
}
