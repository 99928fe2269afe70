import { corrupt } from '../errors.js';

/*
 * msgpackr reads more than a peer should be able to ask for: record definitions (it makes functions of them), references, bundled strings (which can be read
 * over and over) and the extensions any other user of msgpackr in this process has added. None of that is ever written here, so bytes that hold it
 * are refused before msgpackr sees them. One pass, no recursion, nothing allocated.
 */
const Extension = { undefined: 0x00, bigInt: 0x42, error: 0x65, set: 0x73, typedArray: 0x74, regExp: 0x78, date: 0xff } as const;

/** Throws RSM_CORRUPT_SEGMENT unless buffer[start..end) is exactly one value made of what MsgpackCodec writes. */
export function checkMsgpack(buffer: Uint8Array, start: number, end: number): void {
  let position = start;
  let expected = 1; // values still to come
  while (expected > 0) {
    if (position >= end) {
      throw endsBefore(expected);
    }
    expected--;
    const token = buffer[position++]!;
    if (token < 0x80 || token >= 0xe0) {
      continue; // small integers
    }
    if (token < 0x90) {
      expected += (token & 0x0f) * 2;
    } else if (token < 0xa0) {
      expected += token & 0x0f;
    } else if (token < 0xc0) {
      position += token & 0x1f;
    } else {
      switch (token) {
        case 0xc0: // nil, false, true
        case 0xc2:
        case 0xc3:
          break;
        case 0xc4: // bin and str with 1, 2, 4 bytes of length
        case 0xd9:
          position += 1 + lengthAt(buffer, position, 1, end);
          break;
        case 0xc5:
        case 0xda:
          position += 2 + lengthAt(buffer, position, 2, end);
          break;
        case 0xc6:
        case 0xdb:
          position += 4 + lengthAt(buffer, position, 4, end);
          break;
        case 0xca: // numbers
        case 0xce:
        case 0xd2:
          position += 4;
          break;
        case 0xcb:
        case 0xcf:
        case 0xd3:
          position += 8;
          break;
        case 0xcc:
        case 0xd0:
          position += 1;
          break;
        case 0xcd:
        case 0xd1:
          position += 2;
          break;
        case 0xdc: // arrays and maps with 2, 4 bytes of length
          expected += lengthAt(buffer, position, 2, end);
          position += 2;
          break;
        case 0xdd:
          expected += lengthAt(buffer, position, 4, end);
          position += 4;
          break;
        case 0xde:
          expected += 2 * lengthAt(buffer, position, 2, end);
          position += 2;
          break;
        case 0xdf:
          expected += 2 * lengthAt(buffer, position, 4, end);
          position += 4;
          break;
        case 0xd4: // extension of one byte
          expected += valuesAfterTag(buffer, position, end);
          position += 2;
          break;
        case 0xd5: // extensions of 2, 4, 8, 16 bytes
        case 0xd6:
        case 0xd7:
        case 0xd8:
          checkDataExtension(buffer, position, end);
          position += 1 + (1 << (token - 0xd4));
          break;
        case 0xc7: // extensions with 1, 2, 4 bytes of length
          checkDataExtension(buffer, position + 1, end);
          position += 2 + lengthAt(buffer, position, 1, end);
          break;
        case 0xc8:
          checkDataExtension(buffer, position + 2, end);
          position += 3 + lengthAt(buffer, position, 2, end);
          break;
        case 0xc9:
          checkDataExtension(buffer, position + 4, end);
          position += 5 + lengthAt(buffer, position, 4, end);
          break;
        default:
          throw corrupt(`MessagePack token 0x${token.toString(16)}`);
      }
    }
    if (expected > end - position) {
      throw endsBefore(expected); // each value takes a byte at least
    }
  }
  if (position !== end) {
    throw corrupt(`${end - position} bytes after the MessagePack value`);
  }
}

function endsBefore(expected: number): Error {
  return corrupt(`the MessagePack payload ends ${expected} values too early`);
}

function lengthAt(buffer: Uint8Array, position: number, width: 1 | 2 | 4, end: number): number {
  if (position + width > end) {
    throw endsBefore(1);
  }
  let length = 0;
  for (let i = 0; i < width; i++) {
    length = length * 256 + buffer[position + i]!;
  }
  return length;
}

function checkDataExtension(buffer: Uint8Array, position: number, end: number): void {
  const type = position < end ? buffer[position] : undefined;
  if (type !== Extension.typedArray && type !== Extension.date && type !== Extension.bigInt) {
    throw corrupt(`MessagePack extension ${type ?? 'without a type'} of several bytes`);
  }
}

/** How many values belong to the one-byte extension at `position`. */
function valuesAfterTag(buffer: Uint8Array, position: number, end: number): number {
  switch (position + 1 < end ? buffer[position] : undefined) {
    case Extension.undefined:
    case Extension.bigInt:
    case Extension.date:
      return 0;
    case Extension.set:
    case Extension.regExp:
      return 1;
    case Extension.error:
      checkErrorName(buffer, position + 2, end);
      return 1;
    default:
      throw corrupt(`MessagePack extension ${buffer[position] ?? 'without a type'} of one byte`);
  }
}

/**
 * msgpackr looks an error's name up in an ordinary object, where a name such as valueOf would find what that inherits. It also reads UTF-8 that no encoder writes
 * (a letter in two bytes), so a name that is not well-formed is refused too.
 */
function checkErrorName(buffer: Uint8Array, position: number, end: number): void {
  const token = buffer[position + 1] ?? 0;
  const short = token >= 0xa0 && token < 0xc0;
  const nameStart = position + (short ? 2 : 3);
  const nameEnd = nameStart + (short ? token & 0x1f : (buffer[position + 2] ?? 0));
  if (buffer[position] !== 0x93 || !(short || token === 0xd9) || nameEnd > end) {
    throw corrupt('a MessagePack error is not [name, message, cause]');
  }
  const name = Buffer.from(buffer.buffer, buffer.byteOffset + nameStart, nameEnd - nameStart).toString('utf8');
  if (name in Object.prototype || name.includes('\ufffd')) {
    throw corrupt(`a MessagePack error of the name ${name}`);
  }
}
