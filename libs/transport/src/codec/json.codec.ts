import { encodeWithAttachments } from './attachments.js';
import type { Codec, Encoded } from './codec.js';
import { encodeRaw, encodeText } from './raw.js';
import { wantsAttachments } from './scan.js';

/** JSON text; binary values, top-level or nested, stay binary. */
export class JsonCodec implements Codec {
  readonly name = 'json';

  encode(value: unknown, into: Encoded): void {
    if (typeof value === 'object' && value !== null) {
      if (!wantsAttachments(value)) {
        encodeText(value, into);
      } else if (!encodeRaw(value, into)) {
        encodeWithAttachments(value, into);
      }
    } else if (!encodeRaw(value, into)) {
      encodeText(value, into);
    }
  }
}
