import { RsmError } from '@nestjs-rsm/segments';
import { FIXED_BYTES, FrameFlag, FrameKind, type FrameOptions, MAX_HEADER_BYTES } from './layout.js';

/** Writes frame headers into the scratch that is sent in front of the payload. Each method returns the header's length in bytes. */
export class FrameWriter {
  private readonly view: DataView;

  /** `scratch` must have room for MAX_HEADER_BYTES; it is written from its start at each call. */
  constructor(private readonly scratch: Buffer) {
    if (scratch.length < MAX_HEADER_BYTES) {
      throw new RangeError(`FrameWriter: a scratch of ${scratch.length} bytes; at least ${MAX_HEADER_BYTES} are needed.`);
    }
    this.view = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);
  }

  /**
   * `routeId` counts unless `pattern` is given, which then travels in the frame itself. Throws RSM_MESSAGE_TOO_LARGE where pattern and headers exceed
   * MAX_HEADER_BYTES.
   */
  event(routeId: number, pattern: string | undefined, options: FrameOptions, format: number): number {
    return this.finish(this.begin(FrameKind.event, routeId, pattern, options, format), options);
  }

  /** As `event`; the reply will carry `id`, an unsigned 32-bit number that no other open request of the connection has. */
  request(routeId: number, pattern: string | undefined, id: number, options: FrameOptions, format: number): number {
    const position = this.begin(FrameKind.request, routeId, pattern, options, format);
    this.view.setUint32(position, id, true);
    return this.finish(position + 4, options);
  }

  /** No payload follows. */
  cancel(id: number): number {
    return this.fixed(FrameKind.cancel, 0, 0, id);
  }

  /** The pattern follows as payload, a string. */
  route(id: number): number {
    return this.fixed(FrameKind.route, 0, 0, id);
  }

  /** `flags`: ReplyFlag. */
  reply(id: number, flags: number, format: number): number {
    return this.fixed(FrameKind.reply, format, flags, id);
  }

  private fixed(kind: number, format: number, flags: number, word: number): number {
    const { scratch } = this;
    scratch[0] = kind;
    scratch[1] = format;
    scratch[2] = flags;
    scratch[3] = 0;
    this.view.setUint32(4, word, true);
    return FIXED_BYTES;
  }

  private begin(kind: number, routeId: number, pattern: string | undefined, options: FrameOptions, format: number): number {
    let flags = 0;
    if (options.extras !== undefined) {
      flags |= FrameFlag.extras;
    }
    if (options.deadline > 0) {
      flags |= FrameFlag.deadline;
    }
    if (options.idempotent) {
      flags |= FrameFlag.idempotent;
    }
    if (options.serialized) {
      flags |= FrameFlag.serialized;
    }
    if (pattern === undefined) {
      return this.fixed(kind, format, flags, routeId);
    }
    // Room for the id, the deadline and the length of extras is left behind it.
    const length = this.writeText('the pattern', pattern, FIXED_BYTES, MAX_HEADER_BYTES - FIXED_BYTES - 16);
    return this.fixed(kind, format, flags | FrameFlag.inlinePattern, length) + length;
  }

  private finish(position: number, options: FrameOptions): number {
    if (options.deadline > 0) {
      this.view.setFloat64(position, options.deadline, true);
      position += 8;
    }
    if (options.extras !== undefined) {
      const length = this.writeText('headers and metadata', options.extras, position + 4, MAX_HEADER_BYTES - position - 4);
      this.view.setUint32(position, length, true);
      position += 4 + length;
    }
    return position;
  }

  private writeText(what: string, text: string, position: number, room: number): number {
    if (text.length > room || (text.length * 3 > room && Buffer.byteLength(text) > room)) {
      throw new RsmError(
        'RSM_MESSAGE_TOO_LARGE',
        `A message's header may have ${MAX_HEADER_BYTES} bytes; ${what} take ${Buffer.byteLength(text)}, ${room} are left. Put large values into the payload.`,
      );
    }
    return this.scratch.write(text, position, 'utf8');
  }
}
