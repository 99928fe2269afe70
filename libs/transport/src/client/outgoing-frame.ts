import type { Serializer } from '@nestjs/microservices';
import { Lane, type Lane as LaneType } from '@nestjs-rsm/segments';
import { type Codec, type Encoded, PayloadFormat } from '../codec/index.js';
import { extrasText, type FrameOptions, type FrameWriter, NO_FRAME_OPTIONS } from '../frame/index.js';
import type { RsmRecordOptions } from '../record/index.js';
import type { RouteIds } from './routes.js';
import { RsmLoan } from './rsm-loan.js';

/** What a packet hook or serializer sees. */
export interface OutgoingPacket {
  pattern: unknown;
  data: unknown;
  metadata?: Record<string, string>;
  id?: string;
}

/** The frame that is being sent. One object for all: filled, then written into the scratch of the endpoint, once for each instance it goes to. */
export class OutgoingFrame {
  lane: LaneType = Lane.events;
  /** 0: the pattern travels inline. */
  routeId = 0;
  /** The data are a loan; `encoded` shows it. It has ended when the frame is cleared. */
  loan: RsmLoan | undefined;
  /** The loan may be sent where it is: nothing else is to read it afterwards. */
  inPlace = false;
  readonly encoded: Encoded = { format: PayloadFormat.none, payload: undefined };
  private id = 0;
  private pattern = '';
  private options: Readonly<FrameOptions> = NO_FRAME_OPTIONS;

  constructor(
    private readonly routes: RouteIds,
    private readonly codec: Codec,
    /** Undefined: data take the direct way. */
    private readonly serializer: Serializer | undefined,
  ) {}

  /** Encodes an event. Throws what serializer and codec throw. */
  event(pattern: string, packet: OutgoingPacket, data: unknown, options: RsmRecordOptions | undefined): void {
    const loan = data instanceof RsmLoan ? data : undefined;
    try {
      // The user's code runs first: it may send messages of its own, and by this very object.
      const extras = extrasText(options?.headers, packet.metadata);
      const value = loan === undefined ? data : loan.payload();
      // As Nest's TCP client: an event's pattern is given to the serializer as its route, a request's as it is.
      this.encode(this.serializer === undefined ? value : this.serializer.serialize({ ...packet, pattern, data: value }));
      this.lane = Lane.events;
      this.id = 0;
      this.fill(pattern, loan, options, extras, 0);
    } catch (error) {
      loan?.giveBack();
      throw error;
    }
  }

  /** Encodes a request; `deadline` in monotonic milliseconds, 0: none. */
  request(
    pattern: string,
    packet: OutgoingPacket,
    data: unknown,
    options: RsmRecordOptions | undefined,
    id: number,
    deadline: number,
  ): void {
    const loan = data instanceof RsmLoan ? data : undefined;
    try {
      const extras = extrasText(options?.headers, packet.metadata);
      const value = loan === undefined ? data : loan.payload();
      this.encode(this.serializer === undefined ? value : this.serializer.serialize({ ...packet, data: value, id: String(id) }));
      this.lane = Lane.requests;
      this.id = id;
      this.fill(pattern, loan, options, extras, deadline);
    } catch (error) {
      loan?.giveBack();
      throw error;
    }
  }

  /** Writes the header. Returns its length in bytes; the payload is `encoded.payload`. */
  write(writer: FrameWriter): number {
    const inline = this.routeId === 0 ? this.pattern : undefined;
    return this.lane === Lane.events
      ? writer.event(this.routeId, inline, this.options, this.encoded.format)
      : writer.request(this.routeId, inline, this.id, this.options, this.encoded.format);
  }

  /** Lets go of the payload. A loan that was not sent where it is has been copied, or failed. */
  clear(): void {
    if (this.loan !== undefined) {
      this.loan.giveBack();
      this.loan = undefined;
      this.inPlace = false;
    }
    this.encoded.payload = undefined;
    this.options = NO_FRAME_OPTIONS;
  }

  private fill(
    pattern: string,
    loan: RsmLoan | undefined,
    options: RsmRecordOptions | undefined,
    extras: string | undefined,
    deadline: number,
  ): void {
    this.loan = loan;
    this.inPlace = loan !== undefined && this.serializer === undefined;
    this.pattern = pattern;
    this.routeId = this.routes.idOf(pattern);
    const serialized = this.serializer !== undefined;
    if (options === undefined && extras === undefined && !serialized) {
      this.options = NO_FRAME_OPTIONS;
    } else {
      this.options = { deadline, idempotent: options?.idempotent === true && this.lane === Lane.requests, serialized, extras };
    }
  }

  private encode(value: unknown): void {
    this.codec.encode(value, this.encoded);
  }
}
