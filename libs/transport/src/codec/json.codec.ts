import { encodeWithAttachments } from './attachments.js';
import type { Codec, Encoded } from './codec.js';
import { encodeRaw, encodeText } from './raw.js';
import { mayHoldBinary } from './scan.js';

/** JSON text; binary values, top-level or nested, stay binary. */
export class JsonCodec implements Codec {
  readonly name = 'json';

  encode(value: unknown, into: Encoded): void {
    if (typeof value === 'object' && value !== null) {
      if (!mayHoldBinary(value)) {
        encodeText(value, into);
      } else if (!encodeRaw(value, into)) {
        encodeWithAttachments(value, into);
      }
    } else if (!encodeRaw(value, into)) {
      encodeText(value, into);
    }
  }
}
