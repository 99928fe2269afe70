import { RsmError } from '@nestjs-rsm/segments';
import { JsonCodec } from './json.codec.js';
import { MsgpackCodec } from './msgpack.codec.js';

export type CodecName = 'json' | 'msgpack';
export const CODEC_NAMES: readonly CodecName[] = ['json', 'msgpack'];

/** What a codec made of a value. One object is filled again for each message. */
export interface Encoded {
  /** Goes into the frame (see PayloadFormat). */
  format: number;
  /**
   * Goes behind the frame's header, text as UTF-8. Bytes stay what they are until the next payload is encoded (they stand in scratch memory) or the user changes
   * the value (a top-level Buffer or typed array is passed on as it is): send or copy them before.
   */
  payload: string | Uint8Array | undefined;
}

/** Values to bytes. The way back is `decode`, the same for both codecs. */
export interface Codec {
  readonly name: CodecName;
  /** Fills `into`. Throws what JSON.stringify or msgpackr throw for values they cannot take (a BigInt in JSON, a cycle). */
  encode(value: unknown, into: Encoded): void;
}

export function createCodec(name: CodecName): Codec {
  switch (name) {
    case 'json':
      return new JsonCodec();
    case 'msgpack':
      return new MsgpackCodec();
    default:
      throw new RsmError(
        'RSM_INVALID_OPTIONS',
        `codec is ${JSON.stringify(name)}; allowed are ${CODEC_NAMES.map((known) => `'${known}'`).join(' and ')}.`,
      );
  }
}
