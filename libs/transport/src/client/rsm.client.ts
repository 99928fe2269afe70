import { EventEmitter } from 'node:events';
import { Logger } from '@nestjs/common';
import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import { checkInteger, type Connection, type Connector, type RsmError } from '@nestjs-rsm/segments';
import { Observable } from 'rxjs';
import { RsmStatus } from '../constants.js';
import { type ResolvedClientOptions, resolveClientOptions, type RsmClientOptions, type RsmDeadLetter } from '../options/index.js';
import { isRsmRecord } from '../record/index.js';
import { newClientCounters, type RsmClientCounters } from './client-counters.js';
import { ClientRuntime } from './client-runtime.js';
import type { OutgoingPacket } from './outgoing-frame.js';
import type { RsmLoan } from './rsm-loan.js';

/** Events of `RsmClient.on`. */
export type RsmClientEvents = {
  /** An instance of the service is connected. */
  connect: (connection: Connection) => void;
  /** An instance is gone. The error is undefined where this side ended the connection. */
  disconnect: (connection: Connection, error: RsmError | undefined) => void;
  /** An instance refused this client, or broke the protocol. */
  error: (error: unknown) => void;
  /** An event that nobody awaits failed. */
  emitError: (error: unknown, pattern: string) => void;
  /** An event was given up. */
  deadLetter: (letter: RsmDeadLetter) => void;
};

/**
 * Sends events and requests to the instances of one service: `ClientsModule.register([{ name, customClass: RsmClient, options: { service } }])`. The constructor
 * throws RSM_INVALID_OPTIONS and opens nothing; the first `connect`, `emit` or `send` does. After `close()` has ended it can be used again.
 */
export class RsmClient extends ClientProxy<RsmClientEvents> {
  /** What this client has done. */
  readonly counters: Readonly<RsmClientCounters> = newClientCounters();
  protected readonly logger = new Logger(RsmClient.name);
  protected readonly options: ResolvedClientOptions;
  private readonly events = new EventEmitter();
  private runtime: ClientRuntime | undefined;
  private closing: Promise<void> | undefined;

  constructor(options: RsmClientOptions) {
    super();
    this.options = resolveClientOptions(options);
    this.initializeSerializer(this.options as never);
    this.initializeDeserializer(this.options as never);
  }

  /**
   * Resolves when an instance is connected; calls made meanwhile share one attempt. Rejects with RSM_UNREACHABLE after `connectTimeout`, or at once with the
   * reason for which all instances refuse this client.
   */
  override async connect(): Promise<void> {
    await this.closing;
    await this.running().connect();
  }

  /**
   * Waits up to `closeTimeout` until all that was sent is committed and released, then ends the connections; what is left fails with RSM_CONNECTION_LOST and is
   * counted in the log. Replies are not waited for. Idempotent.
   */
  override close(): Promise<void> {
    const { runtime } = this;
    if (runtime === undefined) {
      return Promise.resolve();
    }
    if (this.closing === undefined) {
      const closing = runtime.close().finally(() => {
        this.closing = undefined;
      });
      this.closing = closing;
    }
    return this.closing;
  }

  /** Listeners stay, whatever becomes of connections. */
  override on<
    TEvent extends keyof RsmClientEvents = keyof RsmClientEvents,
    TCallback extends RsmClientEvents[TEvent] = RsmClientEvents[TEvent],
  >(event: TEvent, callback: TCallback): void {
    this.events.on(event, callback as (...parameters: unknown[]) => void);
  }

  /** The Connector of @nestjs-rsm/segments, with its connections, tables, directories and counters. */
  override unwrap<T = Connector>(): T {
    return this.running().connector as T;
  }

  /** Events that were given up, oldest first; `maxDeadLetters` are kept. */
  get deadLetters(): readonly RsmDeadLetter[] {
    return this.runtime?.deadLetters.list() ?? [];
  }

  /**
   * Sends an event. Hot: it is sent at the call, whether or not anybody subscribes. The Observable emits one `undefined` and completes when the event is committed
   * to its receiver's memory (with setConfirm: handled). Failures nobody subscribed to go to the log, a counter and `on('emitError')`.
   */
  override emit<TResult = unknown, TInput = unknown>(pattern: unknown, data: TInput): Observable<TResult> {
    if (isNil(pattern) || isNil(data) || (isRsmRecord(data) && isNil(data.data))) {
      return super.emit(undefined, undefined);
    }
    return this.emitPacket(pattern, data) as Observable<unknown> as Observable<TResult>;
  }

  /**
   * Lends memory of an instance for a payload of up to `size` bytes: fill the Buffer of the loan, then give the loan to `emit` or `send` as the data. What was filled is not
   * copied again, and the loan has ended when `emit` returns (`send`: when it was subscribed to), whatever becomes of the message. It is copied after all where it cannot leave
   * from where it is: another instance takes it (the lender is gone, `setKey`, broadcast), messages wait in front of it, its headers are long, the client has a serializer.
   * A loan takes room that messages then wait for, so send it soon. Waits while there is no room; rejects with RSM_UNREACHABLE after `connectTimeout` without an instance,
   * RSM_MESSAGE_TOO_LARGE, RSM_CONNECTION_LOST (the client is being closed), RSM_INVALID_OPTIONS (a size that is no whole number from 0).
   */
  async loan(size: number): Promise<RsmLoan> {
    checkInteger('size', size, 0, Number.MAX_SAFE_INTEGER, 0);
    return this.running().loan(size);
  }

  /** Sends a request for each subscription. Unsubscribing before the reply has ended cancels it at the server. */
  override send<TResult = unknown, TInput = unknown>(pattern: unknown, data: TInput): Observable<TResult> {
    if (isNil(pattern) || isNil(data) || (isRsmRecord(data) && isNil(data.data))) {
      return super.send(undefined, undefined);
    }
    return new Observable<TResult>((observer) => this.publish(this.packet(pattern, data), this.createObserver(observer)));
  }

  protected override publish(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    try {
      return this.running().requests.start(packet, this.patternText(packet.pattern), callback);
    } catch (error) {
      callback({ err: error });
      return () => {};
    }
  }

  protected override dispatchEvent<T = unknown>(packet: ReadPacket): Promise<T> {
    return new Promise((resolve, reject) => {
      this.running()
        .emitter.emit(packet, this.patternText(packet.pattern))
        .subscribe({ error: reject, complete: () => resolve(undefined as T) });
    });
  }

  private emitPacket(pattern: unknown, data: unknown): Observable<unknown> {
    let runtime: ClientRuntime;
    try {
      runtime = this.running();
    } catch (error) {
      this.logger.error(error instanceof Error ? error.message : error);
      return new Observable((observer) => observer.error(error));
    }
    let packet: OutgoingPacket;
    let text: string;
    try {
      packet = this.packet(pattern, data);
      text = this.patternText(packet.pattern);
    } catch (error) {
      return runtime.emitter.failed(String(pattern), error);
    }
    return runtime.emitter.emit(packet, text);
  }

  /** Nest 12.0.4 brought createPacket and the dispatch hook. */
  private packet(pattern: unknown, data: unknown): ReadPacket {
    return typeof this.createPacket === 'function' ? this.createPacket(pattern, data) : { pattern, data };
  }

  private patternText(pattern: unknown): string {
    const route: unknown = this.normalizePattern(pattern as never);
    return typeof route === 'string' ? route : (JSON.stringify(route) ?? 'undefined');
  }

  private running(): ClientRuntime {
    return (this.runtime ??= new ClientRuntime(
      this.options,
      this.counters as RsmClientCounters,
      this.logger,
      this.deserializer as never,
      (event, ...parameters) => {
        if (event !== 'error' || this.events.listenerCount('error') > 0) {
          this.events.emit(event, ...parameters);
        }
      },
      (connected) => this._status$.next(connected ? RsmStatus.CONNECTED : RsmStatus.DISCONNECTED),
    ));
  }
}

function isNil(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}
