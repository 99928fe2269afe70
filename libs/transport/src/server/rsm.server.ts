import { EventEmitter } from 'node:events';
import { Logger } from '@nestjs/common';
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { type Connection, Listener, type RsmError } from '@nestjs-rsm/segments';
import { createCodec } from '../codec/index.js';
import { OWN_FROM, RSM_TRANSPORT, RsmStatus } from '../constants.js';
import { resolveServerOptions, type ResolvedServerOptions, type RsmServerOptions } from '../options/index.js';
import { HandlerRegistry } from './handler-registry.js';
import { Receiver, SMALLEST_VIEW } from './receiver.js';
import { newServerCounters, type RsmServerCounters } from './server-counters.js';
import { ServerConnection } from './server-connection.js';
import { drainServer } from './server-drain.js';
import { type ProcessingHooks, ServerRuntime } from './server-runtime.js';

/** Events of `RsmServer.on`. */
export type RsmServerEvents = {
  /** A client came. */
  connection: (connection: Connection) => void;
  /** A client is gone and all it had sent is settled. The error is undefined where this side ended the connection. */
  disconnect: (connection: Connection, error: RsmError | undefined) => void;
  /** Listening failed, or a client was refused before its handshake ended. */
  error: (error: unknown) => void;
};

/**
 * Serves events and requests of one service from segments of shared memory: `NestFactory.createMicroservice(AppModule, { strategy: new RsmServer({ service }) })`.
 * Several instances may serve the same service. The constructor throws RSM_INVALID_OPTIONS; nothing is opened before `listen`.
 */
export class RsmServer extends Server<RsmServerEvents, RsmStatus> implements CustomTransportStrategy {
  override transportId: symbol = RSM_TRANSPORT;
  /** Failures of event handlers reach this class, which logs them and decides on redelivery. */
  override readonly propagatesEventHandlerErrors = true;
  /** What this server has done. */
  readonly counters: Readonly<RsmServerCounters> = newServerCounters();
  protected override readonly logger = new Logger(RsmServer.name);
  protected readonly options: ResolvedServerOptions;
  private readonly registry: HandlerRegistry;
  private readonly events = new EventEmitter();
  private readonly defaultStartHook: unknown;
  private runtime: ServerRuntime | undefined;
  private draining: Promise<void> | undefined;
  private closing: Promise<void> | undefined;

  constructor(options: RsmServerOptions) {
    super();
    this.options = resolveServerOptions(options);
    this.initializeSerializer(this.options as never);
    this.initializeDeserializer(this.options as never);
    this.defaultStartHook = this.onProcessingStartHook;
    this.registry = new HandlerRegistry(
      {
        getHandlerByPattern: (pattern) => this.getHandlerByPattern(pattern),
        routeOf: (pattern) => {
          const route: unknown = this.getRouteFromPattern(pattern);
          return typeof route === 'string' ? route : pattern; // 'null' and 'true' are JSON, but no patterns that Nest knows
        },
        messageHandlers: this.messageHandlers,
      },
      this.options.ack,
      this.options.wildcards,
      this.options.zeroCopy,
    );
  }

  /** Creates the service's socket and begins to serve. `callback` gets the RsmError if that fails. */
  override listen(callback: (error?: unknown) => void): void {
    this.begin().then(
      () => callback(),
      (error: unknown) => {
        this.report(error);
        callback(error);
      },
    );
  }

  /** `drain()`, then everything is ended and freed. Idempotent; `listen` may follow. */
  override close(): Promise<void> {
    const { runtime } = this;
    if (runtime === undefined) {
      return this.closing ?? Promise.resolve();
    }
    return (this.closing ??= this.end(runtime));
  }

  /**
   * Stops accepting, gives what has not been started back to its living senders, and resolves when running handlers have ended and replies are flushed, or
   * `drainTimeout` has passed. Call it before `app.close()`, so that handlers end before the providers they use. Idempotent.
   */
  drain(): Promise<void> {
    if (this.runtime === undefined) {
      return Promise.resolve();
    }
    return (this.draining ??= drainServer(this.runtime, this.options.drainTimeout));
  }

  /** An event's handlers are kept in a list of their own, without Nest's chain: each is called by itself, whatever its siblings do. */
  override addHandler(pattern: unknown, callback: MessageHandler, isEventHandler = false, extras: Record<string, unknown> = {}): void {
    const route = this.normalizePattern(pattern as never);
    callback.isEventHandler = isEventHandler;
    callback.extras = extras;
    this.registry.add(route, callback, isEventHandler, extras);
    if (this.runtime !== undefined) {
      this.deferCopies(this.runtime.listener);
    }
    // The first one stands for all where Nest looks for handlers.
    if (!isEventHandler || !this.messageHandlers.has(route)) {
      this.messageHandlers.set(route, callback);
    }
  }

  /** Listeners stay for later runs. */
  override on<
    TEvent extends keyof RsmServerEvents = keyof RsmServerEvents,
    TCallback extends RsmServerEvents[TEvent] = RsmServerEvents[TEvent],
  >(event: TEvent, callback: TCallback): void {
    this.events.on(event, callback as (...parameters: unknown[]) => void);
  }

  /** The Listener of @nestjs-rsm/segments, with its tables, directories and counters. */
  override unwrap<T = Listener>(): T {
    if (this.runtime === undefined) {
      throw new Error('Not initialized. Please call the "listen"/"startAllMicroservices" method before accessing the server.');
    }
    return this.runtime.listener as T;
  }

  private async begin(): Promise<void> {
    await this.closing;
    if (this.runtime !== undefined) {
      throw new Error('This RsmServer listens already.');
    }
    const runtime = this.createRuntime();
    this.runtime = runtime;
    this.draining = undefined;
    this.closing = undefined;
    try {
      await runtime.listener.listen();
    } catch (error) {
      this.runtime = undefined;
      runtime.closed = true;
      await runtime.listener.close();
      throw error;
    }
    if (this.runtime === runtime) {
      this._status$.next(RsmStatus.CONNECTED); // not closed meanwhile
    }
  }

  private createRuntime(): ServerRuntime {
    const { options } = this;
    const listener = new Listener({
      service: options.service,
      directory: options.directory,
      segments: options.segments,
      maxMessageSize: options.maxMessageSize,
      polling: options.polling,
      maxMemory: options.maxMemory,
      maxQueuedBytes: options.maxQueuedBytes,
      maxQueuedMessages: options.maxQueuedMessages,
      maxConnections: options.maxConnections,
      allow: options.allow,
      eventCredit: options.concurrency,
      requestCredit: options.maxRequests,
      ownFrom: OWN_FROM,
    });
    const runtime = new ServerRuntime(
      listener,
      this.registry,
      createCodec(options.codec),
      this.logger,
      this.counters as RsmServerCounters,
      this.hooks(),
      this.deserializer as never,
      options.deserializer !== undefined,
      options.serializer as never,
    );
    this.deferCopies(listener);
    const receiver = new Receiver(runtime);
    listener.onMessages = (batch) => receiver.receive(batch);
    listener.on('connection', (connection: Connection) => {
      connection.data = new ServerConnection(runtime, connection);
      this.events.emit('connection', connection);
    });
    listener.on('hangup', (connection: Connection) => (connection.data as ServerConnection).abandon());
    listener.on('closed', (connection: Connection, error: RsmError | undefined) => {
      (connection.data as ServerConnection).abandon();
      this.reportViolation(runtime, connection, error);
      this.events.emit('disconnect', connection, error);
    });
    listener.on('refused', (error: RsmError) => {
      runtime.peerLog.report(error.message);
      this.emitError(error);
    });
    return runtime;
  }

  /** Whether a payload is copied cannot be known before its handler is. */
  private deferCopies(listener: Listener): void {
    if (this.registry.zeroCopy) {
      listener.deferCopies(SMALLEST_VIEW);
    }
  }

  private hooks(): ProcessingHooks {
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    const server = this;
    return {
      // Hooks came with Nest 11.1.6; the default one only calls `done`.
      get startHookSet() {
        return typeof server.onProcessingStartHook === 'function' && server.onProcessingStartHook !== server.defaultStartHook;
      },
      start: (context, done) => this.onProcessingStartHook(this.transportId, context, done),
      end: (context) => this.onProcessingEndHook?.(this.transportId, context),
    };
  }

  private async end(runtime: ServerRuntime): Promise<void> {
    await this.drain();
    // Handlers that are still at it have nobody to answer.
    for (const connection of [...runtime.listener.connections]) {
      (connection.data as ServerConnection).abandon();
    }
    runtime.closed = true;
    this.runtime = undefined;
    await runtime.listener.close();
    runtime.peerLog.flush();
    this._status$.next(RsmStatus.DISCONNECTED);
  }

  /** The native code has ended a connection because its peer broke the protocol or asked for too much; one that merely hung up is no news. */
  private reportViolation(runtime: ServerRuntime, { data, peer }: Connection, error: RsmError | undefined): void {
    if (error === undefined || error.code === 'RSM_CONNECTION_LOST') {
      return;
    }
    (data as ServerConnection).broken = true;
    (this.counters as RsmServerCounters).brokenConnections++;
    runtime.peerLog.report(error.message, peer.identity);
  }

  private report(error: unknown): void {
    this.logger.error(error instanceof Error ? error.message : error);
    this.emitError(error);
  }

  private emitError(error: unknown): void {
    if (this.events.listenerCount('error') > 0) {
      this.events.emit('error', error);
    }
  }
}
