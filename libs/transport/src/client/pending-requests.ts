import type { LoggerService } from '@nestjs/common';
import type { Deserializer, WritePacket } from '@nestjs/microservices';
import { Lane, type ReturnedMessage, RsmError, type RsmErrorCode } from '@nestjs-rsm/segments';
import { decode } from '../codec/index.js';
import { FrameReader, monotonicMilliseconds, ReplyFlag } from '../frame/index.js';
import { isRsmRecord } from '../record/index.js';
import type { RsmClientCounters } from './client-counters.js';
import type { HeldMessage, TrackedMessage } from './held-message.js';
import type { Instance } from './instances.js';
import type { Outbound } from './outbound.js';
import type { OutgoingFrame, OutgoingPacket } from './outgoing-frame.js';

const MOST_IDS = 0xffff_ffff;
type Callback = (packet: WritePacket) => void;

/** A request whose reply has not ended. */
class PendingRequest implements TrackedMessage {
  instance: Instance | undefined;
  /** Nothing more is told to the subscriber. */
  over = false;
  /** The reply's last frame is here, so there is nothing to cancel. */
  answered = false;
  timer: NodeJS.Timeout | undefined;
  /** Replies that the user's deserializer works on, one after another. */
  replies: Promise<void> | undefined;

  constructor(
    private readonly table: PendingRequests,
    readonly id: number,
    readonly pattern: string,
    readonly callback: Callback,
    readonly idempotent: boolean,
    readonly key: string | undefined,
  ) {}

  get abandoned(): boolean {
    return this.over;
  }

  sentTo(instance: Instance | undefined): void {
    this.instance = instance;
  }

  /** It never reached an instance, or lost the one it had. */
  failed(error: unknown): void {
    this.table.fail(this, error);
  }
}

/** The requests of a client that wait for their replies. */
export class PendingRequests {
  private readonly open = new Map<number, PendingRequest>();
  private readonly reader = new FrameReader();
  private lastId = 0;

  constructor(
    private readonly outbound: Outbound,
    private readonly frame: OutgoingFrame,
    private readonly counters: RsmClientCounters,
    private readonly logger: LoggerService,
    /** Nest's default one unless the user gave another. */
    private readonly deserializer: Deserializer,
    private readonly customDeserializer: boolean,
  ) {}

  get size(): number {
    return this.open.size;
  }

  /** Sends a request. `callback` hears of replies and errors, perhaps before this returns. The function returned cancels it, if it has not ended. */
  start(packet: OutgoingPacket, pattern: string, callback: Callback): () => void {
    const record = isRsmRecord(packet.data) ? packet.data : undefined;
    const options = record?.options;
    const timeout = options?.timeout;
    const id = this.newId();
    const pending = new PendingRequest(this, id, pattern, callback, options?.idempotent === true, options?.key);
    this.counters.requests++;
    this.open.set(id, pending);
    try {
      const deadline = timeout === undefined ? 0 : monotonicMilliseconds() + timeout;
      this.frame.request(pattern, packet, record === undefined ? packet.data : record.data, options, id, deadline);
      this.outbound.dispatch(this.frame, pending, pending.key);
    } catch (error) {
      this.fail(pending, error);
    } finally {
      this.frame.clear();
    }
    if (timeout !== undefined && !pending.over) {
      pending.timer = setTimeout(() => this.expire(pending, timeout), timeout);
    }
    return () => this.cancel(pending);
  }

  /** A reply frame. Throws RSM_CORRUPT_SEGMENT where its payload cannot be decoded. */
  reply(instance: Instance, frame: FrameReader, buffer: Buffer, owned: boolean): void {
    this.counters.replies++;
    const pending = this.open.get(frame.id);
    if (pending === undefined || pending.instance !== instance) {
      this.counters.lateReplies++;
      return;
    }
    const { flags } = frame;
    const last = (flags & ReplyFlag.last) !== 0;
    const hasValue = (flags & (ReplyFlag.response | ReplyFlag.error | ReplyFlag.serialized)) !== 0;
    const value = hasValue ? decode(frame.format, buffer, frame.payloadStart, frame.payloadEnd, owned) : undefined;
    if (last) {
      pending.answered = true;
      this.forget(pending);
    }
    if (this.customDeserializer || (flags & ReplyFlag.serialized) !== 0) {
      this.deserialize(pending, (flags & ReplyFlag.serialized) !== 0 ? value : packetOf(pending.id, flags, value), last);
    } else if ((flags & ReplyFlag.error) !== 0) {
      this.tell(pending, { err: ownError(value), response: undefined, isDisposed: true });
    } else if (hasValue) {
      this.tell(pending, last ? { response: value, isDisposed: true } : { response: value });
    } else {
      this.tell(pending, { isDisposed: true });
    }
    if (last) {
      pending.over = pending.replies === undefined;
    }
  }

  /** A request that its instance gave back or left unfinished, to be sent again; undefined where nobody waits for it or it must fail. */
  reclaim(message: ReturnedMessage, maxAttempts: number): HeldMessage | undefined {
    const { bytes, outcome, started } = message;
    this.reader.read(bytes, 0, bytes.length);
    const pending = this.open.get(this.reader.id);
    if (pending === undefined) {
      return undefined;
    }
    const begun = outcome === 0 && started;
    const attempt = begun ? message.attempt + 1 : message.attempt;
    if (begun && (!pending.idempotent || attempt >= maxAttempts)) {
      this.fail(pending, lostError(pending, message.connection.peer.pid));
      return undefined;
    }
    return { lane: Lane.requests, attempt, bytes, watcher: pending, suspect: false, expires: Infinity };
  }

  /** The instance is gone: what it had taken and not answered fails. Those that are sent again have left it. */
  failLost(instance: Instance): void {
    for (const pending of [...this.open.values()]) {
      if (pending.instance === instance) {
        this.fail(pending, lostError(pending, instance.connection.peer.pid));
      }
    }
  }

  /** Returns how many. */
  failAll(error: RsmError): number {
    const all = [...this.open.values()];
    all.forEach((pending) => this.fail(pending, error));
    return all.length;
  }

  fail(pending: PendingRequest, error: unknown): void {
    if (!pending.over) {
      pending.over = true; // its subscriber's teardown has nothing to cancel
      this.counters.failedRequests++;
      this.forget(pending);
      this.callBack(pending, { err: error ?? new Error('unknown'), isDisposed: true });
    }
  }

  private cancel(pending: PendingRequest): void {
    if (pending.over) {
      return;
    }
    pending.over = true;
    this.forget(pending);
    if (!pending.answered) {
      this.counters.cancelledRequests++;
      this.tellCancelled(pending);
    }
  }

  private expire(pending: PendingRequest, timeout: number): void {
    if (pending.over || pending.answered) {
      return;
    }
    const { instance } = pending;
    const where =
      instance === undefined
        ? 'no instance was connected'
        : `instance ${instance.connection.peer.identity}, process ${instance.connection.peer.pid}`;
    this.counters.cancelledRequests++;
    this.fail(
      pending,
      new RsmError(
        'RSM_TIMEOUT',
        `The request '${pending.pattern}' was not answered within ${timeout} ms (${where}). Allow more time with setTimeout, or look at the service's load.`,
      ),
    );
    this.tellCancelled(pending);
  }

  private tellCancelled(pending: PendingRequest): void {
    if (pending.instance !== undefined) {
      try {
        pending.instance.outbound.cancel(pending.instance, pending.id);
      } catch (error) {
        this.logger.debug?.(error);
      }
    }
  }

  /** By way of Nest's deserializer, which may answer later; the order of replies stays. */
  private deserialize(pending: PendingRequest, packet: unknown, last: boolean): void {
    const work = (): unknown => this.deserializer.deserialize(packet as object);
    const done = (result: unknown): void => this.tellDeserialized(pending, (result ?? {}) as WritePacket, last);
    const broken = (error: unknown): void => this.failReply(pending, error);
    if (pending.replies === undefined) {
      let result: unknown;
      try {
        result = work();
      } catch (error) {
        broken(error);
        return;
      }
      if (!(result instanceof Promise)) {
        done(result);
        return;
      }
      pending.replies = result.then(done, broken);
    } else {
      pending.replies = pending.replies.then(work).then(done, broken);
    }
  }

  private tellDeserialized(pending: PendingRequest, packet: WritePacket, last: boolean): void {
    const { err, response, isDisposed } = packet;
    if (isDisposed || err) {
      this.tell(pending, { err, response, isDisposed: true });
      this.cancel(pending); // the user's serializer ended it, whatever else was to come
      return;
    }
    this.tell(pending, { err, response });
    if (last) {
      this.tell(pending, { isDisposed: true });
      pending.over = true;
    }
  }

  private failReply(pending: PendingRequest, error: unknown): void {
    if (!pending.over) {
      this.tell(pending, { err: error, isDisposed: true });
      this.cancel(pending);
    }
  }

  private tell(pending: PendingRequest, packet: WritePacket): void {
    if (!pending.over) {
      this.callBack(pending, packet);
    }
  }

  /** What a subscriber throws must not keep other replies from being read. */
  private callBack(pending: PendingRequest, packet: WritePacket): void {
    try {
      pending.callback(packet);
    } catch (error) {
      this.logger.error(error);
    }
  }

  private forget(pending: PendingRequest): void {
    this.open.delete(pending.id);
    clearTimeout(pending.timer);
    pending.timer = undefined;
  }

  private newId(): number {
    do {
      this.lastId = this.lastId >= MOST_IDS ? 1 : this.lastId + 1;
    } while (this.open.has(this.lastId));
    return this.lastId;
  }
}

/** What Nest's deserializer is given for a frame that no serializer made. */
function packetOf(id: number, flags: number, value: unknown): Record<string, unknown> {
  const packet: Record<string, unknown> = { id: String(id) };
  if ((flags & ReplyFlag.error) !== 0) {
    packet['err'] = value;
  } else if ((flags & ReplyFlag.response) !== 0) {
    packet['response'] = value;
  }
  if ((flags & ReplyFlag.last) !== 0) {
    packet['isDisposed'] = true;
  }
  return packet;
}

function lostError(pending: PendingRequest, pid: number): RsmError {
  return new RsmError(
    'RSM_CONNECTION_LOST',
    `The request '${pending.pattern}' had been taken by process ${pid}, which was lost before it answered. It may have run; mark requests that may run twice with setIdempotent() to have them sent again.`,
  );
}

/** What the server's own transport says of a request travels as Nest's errors do, and is an RsmError again here. */
function ownError(value: unknown): unknown {
  const { status, code, message } = (value ?? {}) as { status?: unknown; code?: unknown; message?: unknown };
  const own = status === 'error' && typeof code === 'string' && code.startsWith('RSM_') && typeof message === 'string';
  return own ? new RsmError(code as RsmErrorCode, message) : value;
}
