import { setTimeout as sleep } from 'node:timers/promises';
import type { LoggerService } from '@nestjs/common';
import type { Deserializer } from '@nestjs/microservices';
import { type Connection, Connector, Lane, type MessageBatch, Outcome, RsmError } from '@nestjs-rsm/segments';
import { createCodec } from '../codec/index.js';
import { corrupt } from '../errors.js';
import { FrameKind, FrameReader } from '../frame/index.js';
import type { ResolvedClientOptions } from '../options/index.js';
import type { RsmClientCounters } from './client-counters.js';
import { DeadLetters } from './dead-letters.js';
import { Emitter } from './emitter.js';
import { FailureReporter } from './failure-reporter.js';
import { Instance } from './instances.js';
import { instanceOf, Outbound } from './outbound.js';
import { OutgoingFrame } from './outgoing-frame.js';
import { PendingRequests } from './pending-requests.js';
import { Redelivery } from './redelivery.js';
import { RouteIds } from './routes.js';

/** Milliseconds between two looks at what is unfinished, while close() waits. */
const CLOSE_INTERVAL = 5;

export type ClientEventSink = (event: 'connect' | 'disconnect' | 'error' | 'emitError' | 'deadLetter', ...parameters: unknown[]) => void;

/** The parts of an RsmClient and how they hear of the connector. */
export class ClientRuntime {
  readonly connector: Connector;
  readonly emitter: Emitter;
  readonly requests: PendingRequests;
  readonly deadLetters: DeadLetters;
  private readonly outbound: Outbound;
  private readonly redelivery: Redelivery;
  private readonly reporter: FailureReporter;
  private readonly reader = new FrameReader();
  private connected = false;
  /** close() ends the connections: nothing is sent again. */
  private ending = false;

  /** Throws RSM_UNSUPPORTED_PLATFORM. */
  constructor(
    private readonly options: ResolvedClientOptions,
    private readonly counters: RsmClientCounters,
    private readonly logger: LoggerService,
    deserializer: Deserializer,
    private readonly tell: ClientEventSink,
    private readonly reportStatus: (connected: boolean) => void,
  ) {
    const { service, directory, segments, maxMessageSize, polling, maxQueuedBytes, maxQueuedMessages, connectTimeout, retryAttempts } =
      options;
    this.connector = new Connector({
      service,
      directory,
      segments,
      maxMessageSize,
      polling,
      maxQueuedBytes,
      maxQueuedMessages,
      connectTimeout,
      retryAttempts,
    });
    const routes = new RouteIds();
    const frame = new OutgoingFrame(routes, createCodec(options.codec), options.serializer as never);
    this.outbound = new Outbound(this.connector, routes, options, (message, error, instance) =>
      this.redelivery.giveUp(message, error, instance),
    );
    this.requests = new PendingRequests(this.outbound, frame, counters, logger, deserializer, options.deserializer !== undefined);
    this.deadLetters = new DeadLetters(options, routes, counters, logger, (letter) => tell('deadLetter', letter));
    this.redelivery = new Redelivery(this.outbound, this.requests, this.deadLetters, options, counters, this.connector.budget);
    this.reporter = new FailureReporter(logger, counters, (error, pattern) => tell('emitError', error, pattern));
    this.emitter = new Emitter(this.outbound, frame, counters, this.reporter, options.routing);
    this.listen();
  }

  connect(): Promise<void> {
    return this.outbound.waiting.connect();
  }

  async close(): Promise<void> {
    const { closeTimeout } = this.options;
    this.outbound.closing = true;
    const deadline = performance.now() + closeTimeout;
    while (this.unfinished() > 0 && performance.now() < deadline) {
      await sleep(CLOSE_INTERVAL);
    }
    this.ending = true;
    this.abandonRest();
    await this.connector.close();
    this.outbound.instances.clear();
    this.updateStatus();
    this.ending = false;
    this.outbound.closing = false;
  }

  private listen(): void {
    const { connector, redelivery, outbound } = this;
    connector.onMessages = (batch) => this.receive(batch);
    connector.onReturned = (message) => redelivery.returned(message);
    connector.on('connection', (connection: Connection) => {
      const instance = new Instance(connection, connector.budget);
      connection.data = instance;
      this.counters.connections++;
      outbound.instances.add(instance);
      outbound.resend(outbound.waiting.takeAll());
      this.updateStatus();
      this.tell('connect', connection);
    });
    connector.on('draining', (connection: Connection) => {
      outbound.instances.refresh();
      redelivery.draining(instanceOf(connection));
    });
    connector.on('hangup', (connection: Connection) => {
      outbound.instances.refresh();
      redelivery.hungUp(instanceOf(connection));
      this.updateStatus();
    });
    connector.on('closed', (connection: Connection, error: RsmError | undefined) => {
      const instance = instanceOf(connection);
      outbound.instances.remove(instance);
      if (!this.ending) {
        redelivery.lost(instance);
        this.requests.failLost(instance);
      }
      this.updateStatus();
      this.tell('disconnect', connection, error);
    });
    connector.on('refused', (error: RsmError) => this.tell('error', error));
  }

  private receive(batch: MessageBatch): void {
    const { reader } = this;
    for (let i = 0; i < batch.count; i++) {
      const connection = batch.connection(i);
      const instance = instanceOf(connection);
      try {
        if (batch.lane(i) !== Lane.immediate) {
          this.connector.settle(batch.delivery(i), Outcome.failed);
          throw corrupt(`a message on lane ${batch.lane(i)}, which servers do not use`);
        }
        if (instance.broken) {
          continue;
        }
        const buffer = batch.buffer(i);
        reader.read(buffer, batch.offset(i), batch.length(i));
        if (reader.kind !== FrameKind.reply) {
          throw corrupt(`a frame of kind ${reader.kind}, which servers do not send`);
        }
        this.requests.reply(instance, reader, buffer, batch.owned(i));
      } catch (error) {
        this.refuse(instance, error);
      }
    }
  }

  private refuse(instance: Instance, error: unknown): void {
    if (!instance.broken) {
      const { pid, identity } = instance.connection.peer;
      instance.broken = true;
      this.counters.brokenConnections++;
      this.logger.error(
        `The connection to instance ${identity} (process ${pid}) is ended: ${error instanceof Error ? error.message : String(error)}`,
      );
      instance.connection.close();
      this.tell('error', error);
    }
  }

  /** Messages not yet committed, or not yet released. */
  private unfinished(): number {
    let count = this.outbound.waiting.queue.length + this.redelivery.waiting;
    for (const instance of this.outbound.instances.every()) {
      const { connection, backlog, returned, taken } = instance;
      count += backlog.length + returned.length + taken.length + connection.queuedMessages + connection.inFlight;
    }
    return count;
  }

  private abandonRest(): void {
    const { closeTimeout, service } = this.options;
    const messages = this.unfinished();
    const error = new RsmError(
      'RSM_CONNECTION_LOST',
      `The client of service '${service}' was closed before this was finished (closeTimeout: ${closeTimeout} ms).`,
    );
    const { waiting, instances } = this.outbound;
    waiting.takeAll().forEach((message) => message.watcher?.failed(error));
    this.redelivery.abandon(error);
    for (const instance of instances.every()) {
      clearTimeout(instance.handBackTimer);
      instance.handBackTimer = undefined;
      const held = [...instance.returned.map(({ message }) => message), ...instance.taken, ...instance.backlog.takeAll()];
      [...held, ...instance.connection.takeQueued()].forEach((message) => message.watcher?.failed?.(error));
    }
    // Their messages may be in flight, where nothing more is heard of them.
    [...this.reporter.unconfirmed].forEach((result) => result.failed(error));
    const requests = this.requests.failAll(error);
    this.counters.abandonedMessages += messages;
    if (messages > 0 || requests > 0) {
      this.logger.warn(
        `close(): ${messages} messages were unfinished after at most ${closeTimeout} ms (closeTimeout), and ${requests} requests had no reply, or not all of it.`,
      );
    }
  }

  private updateStatus(): void {
    let connected = false;
    for (const instance of this.outbound.instances.every()) {
      connected ||= instance.connection.open;
    }
    if (connected !== this.connected) {
      this.connected = connected;
      this.reportStatus(connected);
    }
  }
}
