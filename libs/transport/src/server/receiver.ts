import { Lane, type MessageBatch, Outcome, PEEK_BYTES } from '@nestjs-rsm/segments';
import { decode, decodeInPlace, isBinaryFormat } from '../codec/index.js';
import { corrupt } from '../errors.js';
import { FrameKind, FrameReader, isHeaderWithin, ReplyFlag } from '../frame/index.js';
import { EventJob } from './event-dispatch.js';
import type { Route } from './handler-registry.js';
import { RequestRun } from './request-dispatch.js';
import type { ServerConnection } from './server-connection.js';
import type { ServerRuntime } from './server-runtime.js';

type Extras = Record<string, unknown> | undefined;

/** Bytes of the smallest payload that is handed out in place: to make a view and end it takes as long as copying some kilobytes. */
export const SMALLEST_VIEW = 4096;

/** What is kept of a frame while the user's deserializer works on it, perhaps asynchronously. */
interface Arrival {
  readonly connection: ServerConnection;
  readonly delivery: number;
  readonly attempt: number;
  readonly isRequest: boolean;
  readonly id: number;
  readonly idempotent: boolean;
  readonly deadline: number;
  readonly headers: Extras;
  readonly metadata: Extras;
}

interface Packet {
  pattern?: unknown;
  data?: unknown;
  metadata?: Extras;
}

/** Reads what clients send and begins the work. A frame that breaks the rules ends its connection; no other notices. */
export class Receiver {
  private readonly reader = new FrameReader();

  constructor(private readonly runtime: ServerRuntime) {}

  receive(batch: MessageBatch): void {
    const { reader } = this;
    for (let i = 0; i < batch.count; i++) {
      const connection = batch.connection(i).data as ServerConnection;
      const lane = batch.lane(i);
      try {
        if (connection.broken) {
          this.drop(lane, batch.delivery(i));
          continue;
        }
        let buffer = batch.buffer(i);
        if (!batch.loaded(i) && !isHeaderWithin(buffer, batch.offset(i), PEEK_BYTES)) {
          batch.load(i);
          buffer = batch.buffer(i); // perhaps of its own now
        }
        reader.read(buffer, batch.offset(i), batch.length(i));
        if (lane === Lane.immediate) {
          this.receiveImmediate(connection, buffer);
        } else {
          this.receiveMessage(connection, lane, batch, i);
        }
      } catch (error) {
        this.refuse(connection, error);
        this.drop(lane, batch.delivery(i));
      }
    }
  }

  private receiveImmediate(connection: ServerConnection, buffer: Buffer): void {
    const { reader } = this;
    if (reader.kind === FrameKind.route) {
      connection.announce(reader.id, reader.pattern!, reader.payloadEnd - reader.payloadStart);
    } else if (reader.kind === FrameKind.cancel) {
      connection.cancel(reader.id);
    } else {
      throw corrupt(`a frame of kind ${reader.kind} on lane 0 (${buffer.length} bytes)`);
    }
  }

  private receiveMessage(connection: ServerConnection, lane: Lane, batch: MessageBatch, i: number): void {
    const { reader, runtime } = this;
    const delivery = batch.delivery(i);
    const attempt = batch.attempt(i);
    const isRequest = reader.kind === FrameKind.request;
    if (reader.kind !== (lane === Lane.events ? FrameKind.event : FrameKind.request)) {
      throw corrupt(`a frame of kind ${reader.kind} on lane ${lane}`);
    }
    if (runtime.draining && connection.connection.open) {
      runtime.counters.returnedMessages++;
      runtime.unstart(delivery);
      runtime.settle(delivery, Outcome.returned);
      return;
    }
    if (isRequest && !connection.connection.open) {
      runtime.settle(delivery, Outcome.done); // nobody waits for the reply
      return;
    }
    if (isRequest && connection.requests.has(reader.id)) {
      throw corrupt(`request ${reader.id} is open already`);
    }
    const { headers, metadata } = reader;
    if (runtime.customDeserializer || reader.serialized) {
      this.deserialize(connection, delivery, attempt, isRequest, headers, metadata, this.copied(batch, i));
      return;
    }
    const inline = reader.pattern;
    const route = inline === undefined ? connection.route(reader.routeId) : runtime.registry.resolve(inline);
    if (isRequest) {
      if (!connection.admit(reader.id)) {
        this.passOver(delivery);
        return;
      }
      const view = route.request?.zeroCopy === true ? this.viewOf(batch, i) : undefined;
      const data = view === undefined ? this.copied(batch, i) : decodeInPlace(reader.format, view);
      new RequestRun(runtime, connection, delivery, reader.id, reader.idempotent, reader.deadline, data, view !== undefined).run(
        route,
        attempt,
        headers,
        metadata,
      );
    } else {
      const view = route.zeroCopy === 'none' ? undefined : this.viewOf(batch, i);
      const data = view === undefined || route.zeroCopy === 'some' ? this.copied(batch, i) : undefined;
      const inPlace = view === undefined ? data : decodeInPlace(reader.format, view);
      new EventJob(runtime, connection, delivery, route, data, inPlace).run(attempt, headers, metadata);
    }
  }

  /** The payload as handlers may keep it. */
  private copied(batch: MessageBatch, i: number): unknown {
    const { format, payloadStart, payloadEnd } = this.reader;
    if (batch.loaded(i)) {
      return decode(format, batch.buffer(i), payloadStart, payloadEnd, batch.owned(i));
    }
    const moved = -batch.offset(i);
    batch.load(i); // perhaps into a Buffer of its own
    const to = moved + batch.offset(i);
    return decode(format, batch.buffer(i), payloadStart + to, payloadEnd + to, batch.owned(i));
  }

  /** The payload where it is, until the message is released. Undefined where that cannot be, or is not worth it. */
  private viewOf(batch: MessageBatch, i: number): Buffer | undefined {
    const { format, payloadStart, payloadEnd } = this.reader;
    return !batch.loaded(i) && isBinaryFormat(format) && payloadEnd - payloadStart >= SMALLEST_VIEW
      ? batch.view(i, payloadStart - batch.offset(i), batch.length(i))
      : undefined;
  }

  /** By way of Nest's deserializer, which is given the whole packet and may answer later. */
  private deserialize(
    connection: ServerConnection,
    delivery: number,
    attempt: number,
    isRequest: boolean,
    headers: Extras,
    metadata: Extras,
    data: unknown,
  ): void {
    const { reader, runtime } = this;
    const { id, idempotent, deadline } = reader;
    const arrival: Arrival = { connection, delivery, attempt, isRequest, id, idempotent, deadline, headers, metadata };
    const packet = reader.serialized ? data : this.packetOf(connection, isRequest, metadata, data);
    try {
      const result: unknown = runtime.deserializer.deserialize(packet as object);
      if (result instanceof Promise) {
        runtime.enter();
        void result
          .then((deserialized: unknown) => this.dispatch(arrival, deserialized))
          .catch((error: unknown) => this.refuseArrival(arrival, error))
          .finally(() => runtime.leave());
      } else {
        this.dispatch(arrival, result);
      }
    } catch (error) {
      this.refuseArrival(arrival, error);
    }
  }

  private packetOf(connection: ServerConnection, isRequest: boolean, metadata: Extras, data: unknown): object {
    const { reader } = this;
    const pattern = reader.pattern ?? connection.route(reader.routeId).pattern;
    const packet: Record<string, unknown> = { pattern, data };
    if (metadata !== undefined) {
      packet['metadata'] = metadata;
    }
    if (isRequest) {
      packet['id'] = String(reader.id);
    }
    return packet;
  }

  private dispatch(arrival: Arrival, deserialized: unknown): void {
    const { runtime } = this;
    const { connection, delivery, attempt, isRequest, headers } = arrival;
    const packet = (deserialized ?? {}) as Packet;
    const metadata = packet.metadata ?? arrival.metadata;
    const route: Route = runtime.registry.resolve(patternText(packet.pattern));
    if (!isRequest) {
      new EventJob(runtime, connection, delivery, route, packet.data, packet.data).run(attempt, headers, metadata);
    } else if (!connection.admit(arrival.id)) {
      this.passOver(delivery);
    } else if (connection.connection.open && !connection.requests.has(arrival.id)) {
      const { id, idempotent, deadline } = arrival;
      new RequestRun(runtime, connection, delivery, id, idempotent, deadline, packet.data, false).run(route, attempt, headers, metadata);
    } else {
      runtime.settle(delivery, Outcome.done);
    }
  }

  /** A request whose cancel overtook it never starts. */
  private passOver(delivery: number): void {
    this.runtime.counters.cancelledRequests++;
    this.runtime.settle(delivery, Outcome.done);
  }

  /** The user's deserializer failed: it is logged, and a request gets an error. */
  private refuseArrival(arrival: Arrival, error: unknown): void {
    const { logger, peerLog } = this.runtime;
    peerLog.report(`A message could not be deserialized: ${error instanceof Error ? error.message : String(error)}`);
    if (arrival.isRequest) {
      try {
        arrival.connection.replies.send(arrival.id, ReplyFlag.error | ReplyFlag.last, true, {
          status: 'error',
          message: 'Internal server error',
        });
      } catch (fault) {
        logger.error(fault);
        arrival.connection.replies.failOverflowing(arrival.id, () => this.runtime.settle(arrival.delivery, Outcome.failed));
        return;
      }
    }
    this.runtime.settle(arrival.delivery, Outcome.failed);
  }

  private refuse(connection: ServerConnection, error: unknown): void {
    const { runtime } = this;
    const { pid, uid, identity } = connection.connection.peer;
    const reason = error instanceof Error ? error.message : String(error);
    connection.broken = true;
    runtime.counters.brokenConnections++;
    runtime.peerLog.report(`The connection of client ${identity} (process ${pid}, user ${uid}) is ended: ${reason}`, identity);
    connection.connection.close();
  }

  private drop(lane: Lane, delivery: number): void {
    if (lane !== Lane.immediate) {
      this.runtime.settle(delivery, Outcome.failed);
    }
  }
}

/** As Nest has it, also where a packet brings no pattern. */
function patternText(pattern: unknown): string {
  if (typeof pattern === 'string') {
    return pattern;
  }
  try {
    return JSON.stringify(pattern) ?? 'undefined';
  } catch {
    return '[UNSERIALIZABLE_PATTERN]';
  }
}
