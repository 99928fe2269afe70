import { Packr, Unpackr, type Options } from 'msgpackr';
import { corrupt } from '../errors.js';
import type { Codec, Encoded } from './codec.js';
import { PayloadFormat } from './format.js';
import { checkMsgpack } from './msgpack-check.js';
import { encodeRaw, encodeText } from './raw.js';

const OPTIONS: Options = {
  useRecords: false, // each message stands alone: no definitions kept between messages or peers
  structuredClone: false, // no references
  bundleStrings: false,
  moreTypes: true, // typed arrays, Set, Error, RegExp and big integers keep their type
  variableMapSize: true, // else an object of more than 65,535 keys is refused
  mapsAsObjects: true,
};

const copying = new Unpackr({ ...OPTIONS, copyBuffers: true });
const viewing = new Unpackr({ ...OPTIONS, copyBuffers: false });
// Reused for each message: msgpackr reads the two numbers at once.
const range = { start: 0, end: 0 };

/** MessagePack (msgpackr). Beyond JSON it keeps Date, undefined, NaN, BigInt, Set, Error and RegExp; a Map arrives as an object. */
export class MsgpackCodec implements Codec {
  readonly name = 'msgpack';
  private readonly packr = new Packr(OPTIONS);

  encode(value: unknown, into: Encoded): void {
    if (encodeRaw(value, into)) {
      return;
    }
    if ((typeof value === 'object' && value !== null) || typeof value === 'bigint') {
      const payload = this.packr.pack(value); // the user's toJSON may fill `into` meanwhile
      into.format = PayloadFormat.msgpack;
      into.payload = payload;
    } else {
      encodeText(value, into);
    }
  }
}

/** The value in buffer[start..end); its Buffers are views where `owned`, else copies. Throws RSM_CORRUPT_SEGMENT. */
export function decodeMsgpack(buffer: Buffer, start: number, end: number, owned: boolean): unknown {
  checkMsgpack(buffer, start, end);
  range.start = start;
  range.end = end;
  try {
    return (owned ? viewing : copying).unpack(buffer, range);
  } catch (error) {
    throw corrupt('its MessagePack cannot be decoded', error);
  }
}
