import { corrupt } from '../errors.js';
import { ALL_FRAME_FLAGS, ALL_REPLY_FLAGS, FIXED_BYTES, FrameFlag, FrameKind, ROOM_OFFSET, ROOM_UNIT } from './layout.js';

const NO_BYTES = Buffer.alloc(0);
const floatBytes = new Uint8Array(8);
const float = new DataView(floatBytes.buffer);

type Extras = { h?: Record<string, unknown>; m?: Record<string, unknown> };

/**
 * Reads one frame after another; its fields are those of the last one read. `pattern`, `headers` and `metadata` are made when asked for, from the same bytes: ask
 * before these are overwritten. Everything in a frame comes from a peer: each length is checked against the message's end, and every fault is an RsmError
 * RSM_CORRUPT_SEGMENT.
 */
export class FrameReader {
  /** FrameKind. */
  kind = 0;
  /** PayloadFormat. */
  format = 0;
  /** FrameFlag or, for replies, ReplyFlag. */
  flags = 0;
  /** Events and requests without an inline pattern, else 0. */
  routeId = 0;
  /** Of the request that is made, answered or cancelled, or of the route announced. 0 for events. */
  id = 0;
  /** CLOCK_MONOTONIC milliseconds, or 0. */
  deadline = 0;
  /** Bounds of the payload in the Buffer that was read. */
  payloadStart = 0;
  payloadEnd = 0;

  private bytes: Buffer = NO_BYTES;
  private patternStart = 0;
  private patternEnd = 0;
  private extrasStart = 0;
  private extrasEnd = 0;
  private extras: Extras | undefined;

  /** Reads the frame in buffer[offset..offset + length). Throws RSM_CORRUPT_SEGMENT; the fields mean nothing then. */
  read(buffer: Buffer, offset: number, length: number): void {
    if (!(length >= FIXED_BYTES && offset >= 0 && offset + length <= buffer.length)) {
      throw corrupt(`a message of ${length} bytes is too short for a frame`);
    }
    const kind = buffer[offset]!;
    const flags = buffer[offset + 2]!;
    this.kind = kind;
    this.format = buffer[offset + 1]!;
    this.flags = flags;
    this.bytes = NO_BYTES; // a reader at rest keeps no Buffer alive
    this.routeId = 0;
    this.id = 0;
    this.deadline = 0;
    this.patternStart = this.patternEnd = this.extrasStart = this.extrasEnd = 0;
    this.extras = undefined;
    this.payloadStart = offset + FIXED_BYTES;
    this.payloadEnd = offset + length;
    const word = uint32(buffer, offset + 4);
    switch (kind) {
      case FrameKind.event:
      case FrameKind.request:
        this.readMessage(buffer, word);
        this.leaveRoom(offset, buffer[offset + ROOM_OFFSET]!);
        break;
      case FrameKind.reply:
        this.checkFlags(ALL_REPLY_FLAGS);
        this.id = word;
        break;
      case FrameKind.cancel:
        this.checkFlags(0);
        if (length !== FIXED_BYTES) {
          throw corrupt(`a cancel frame of ${length} bytes`);
        }
        this.id = word;
        break;
      case FrameKind.route:
        this.checkFlags(0);
        this.id = word;
        this.bytes = buffer;
        this.patternStart = this.payloadStart;
        this.patternEnd = this.payloadEnd;
        break;
      default:
        throw corrupt(`frame kind ${kind} does not exist`);
    }
    if (kind > FrameKind.request && buffer[offset + ROOM_OFFSET] !== 0) {
      throw corrupt('the reserved byte of a frame is not 0');
    }
  }

  get idempotent(): boolean {
    return (this.flags & FrameFlag.idempotent) !== 0;
  }

  /** The payload is a whole packet made by the user's serializer. The same bit in replies. */
  get serialized(): boolean {
    return (this.flags & FrameFlag.serialized) !== 0;
  }

  /** The inline pattern of an event or request, or the one a route frame announces. */
  get pattern(): string | undefined {
    // For replies the bit cannot be set.
    const present = this.kind === FrameKind.route || (this.flags & FrameFlag.inlinePattern) !== 0;
    return present ? this.bytes.toString('utf8', this.patternStart, this.patternEnd) : undefined;
  }

  /** Throws RSM_CORRUPT_SEGMENT where the extras are not the JSON they should be. */
  get headers(): Record<string, unknown> | undefined {
    return this.parseExtras().h;
  }

  /** Throws as `headers`. */
  get metadata(): Record<string, unknown> | undefined {
    return this.parseExtras().m;
  }

  private readMessage(buffer: Buffer, word: number): void {
    this.checkFlags(ALL_FRAME_FLAGS);
    const { flags } = this;
    let position = this.payloadStart;
    if ((flags & FrameFlag.inlinePattern) === 0) {
      this.routeId = word;
    } else {
      this.bytes = buffer;
      this.patternStart = position;
      position = this.patternEnd = this.after(position, word, 'its pattern');
    }
    if (this.kind === FrameKind.request) {
      const start = position;
      position = this.after(start, 4, 'its id');
      this.id = uint32(buffer, start);
    }
    if ((flags & FrameFlag.deadline) !== 0) {
      const start = position;
      position = this.after(start, 8, 'its deadline');
      this.deadline = float64(buffer, start);
      if (!(this.deadline > 0 && this.deadline < Infinity)) {
        throw corrupt(`a deadline of ${this.deadline}`);
      }
    }
    if ((flags & FrameFlag.extras) !== 0) {
      const start = position;
      position = this.after(start, 4, 'the length of its headers');
      this.bytes = buffer;
      this.extrasStart = position;
      position = this.extrasEnd = this.after(position, uint32(buffer, start), 'its headers');
    }
    this.payloadStart = position;
  }

  private leaveRoom(offset: number, room: number): void {
    if (room > 0) {
      const start = offset + room * ROOM_UNIT;
      if (start < this.payloadStart || start > this.payloadEnd) {
        throw corrupt(`a payload that begins ${room * ROOM_UNIT} bytes behind the frame's beginning, inside its header or behind its end`);
      }
      this.payloadStart = start;
    }
  }

  private after(position: number, length: number, what: string): number {
    if (length > this.payloadEnd - position) {
      throw corrupt(`a frame ends inside ${what}: ${length} bytes announced, ${this.payloadEnd - position} left`);
    }
    return position + length;
  }

  private checkFlags(allowed: number): void {
    if ((this.flags & ~allowed) !== 0) {
      throw corrupt(`a frame of kind ${this.kind} with flags ${this.flags}`);
    }
  }

  private parseExtras(): Extras {
    if (this.extras !== undefined) {
      return this.extras;
    }
    const present = (this.kind === FrameKind.event || this.kind === FrameKind.request) && (this.flags & FrameFlag.extras) !== 0;
    return (this.extras = present ? parseExtras(this.bytes.toString('utf8', this.extrasStart, this.extrasEnd)) : NO_EXTRAS);
  }
}

/** Whether the header of an event or request ends within the first `available` bytes of its frame, so that read() needs no others. */
export function isHeaderWithin(buffer: Buffer, offset: number, available: number): boolean {
  const flags = buffer[offset + 2]!;
  let end = FIXED_BYTES + (buffer[offset] === FrameKind.request ? 4 : 0) + ((flags & FrameFlag.deadline) !== 0 ? 8 : 0);
  if ((flags & FrameFlag.inlinePattern) !== 0) {
    end += uint32(buffer, offset + 4);
  }
  if ((flags & FrameFlag.extras) !== 0 && end + 4 <= available) {
    end += uint32(buffer, offset + end);
  }
  return end + 4 <= available;
}

const NO_EXTRAS: Extras = Object.freeze({});

function parseExtras(text: string): Extras {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw corrupt('headers that cannot be parsed', error);
  }
  if (!isObject(parsed) || !isAbsentOrObject(parsed, 'h') || !isAbsentOrObject(parsed, 'm')) {
    throw corrupt('headers or metadata that are not an object');
  }
  return { h: own(parsed, 'h'), m: own(parsed, 'm') };
}

function own(object: Record<string, unknown>, key: string): Record<string, unknown> | undefined {
  return Object.hasOwn(object, key) ? (object[key] as Record<string, unknown>) : undefined;
}

function isAbsentOrObject(object: Record<string, unknown>, key: string): boolean {
  return !Object.hasOwn(object, key) || isObject(object[key]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function uint32(buffer: Buffer, position: number): number {
  return (buffer[position]! | (buffer[position + 1]! << 8) | (buffer[position + 2]! << 16) | (buffer[position + 3]! << 24)) >>> 0;
}

function float64(buffer: Buffer, position: number): number {
  for (let i = 0; i < 8; i++) {
    floatBytes[i] = buffer[position + i]!;
  }
  return float.getFloat64(0, true);
}
