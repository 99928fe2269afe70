import { EventEmitter } from 'node:events';
import { ReceivedBatch, type Views } from './batch.js';
import { PeerConnection } from './connection.js';
import { PEEK_BYTES } from './defaults.js';
import { fromNative, guard, RsmError, throwLater, type RsmErrorCode } from './errors.js';
import { Lane, Outcome } from './lanes.js';
import {
  detach,
  NativeEndpoint,
  ops,
  type NativeEndpointOptions,
  type NativeHandlers,
  type PeerInfo,
  type UnfinishedMessage,
} from './native.js';
import { checkInteger, pollingWindow, type ResolvedEndpointOptions } from './options.js';
import { QueueBudget } from './queue-budget.js';
import type { DirectoryRow, GroupRow, SegmentRow } from './tables.js';
import type { Connection, EndpointEvents, MessageBatch, ReturnedMessage } from './types.js';

/** Pairs the outbox can hold. */
const OUTBOX_CAPACITY = 4095;
/** Words of one result of onReleases: connection, sequence, outcome, lane, attempt. */
const RELEASE_ROW = 5;
const NOTICE_DRAINING = 1;
/** No message is so long. */
const NEVER = 0xffff_ffff;
/** Milliseconds between two looks at partitions whose memory an idle connection can give back. */
const TRIM_INTERVAL_MS = 10_000;

/** The native options in which the two kinds of endpoint differ. */
export type OwnNativeOptions = Omit<NativeEndpointOptions, 'service' | 'receive' | 'maxMessageSize' | 'maxMemory' | 'pollingWindow'>;

/** What a listener and a connector have in common: connections, received messages, and the word on how they ended. */
export abstract class Endpoint extends EventEmitter<EndpointEvents> {
  /**
   * 65,536 bytes of scratch: write a message's header here, then send(). Taken or copied before send() returns.
   * A connector that is started again has a new one, so read this property anew for each message.
   */
  header!: Buffer;
  /** Connector: what its connections may queue together. Listener: shows the limits only, each of its connections has a budget of its own. */
  readonly budget: QueueBudget;
  /**
   * Hot path; one function, not an event. Must not throw (what it throws becomes an uncaught exception). Every message of the lanes
   * `events` and `requests` must be settled, now or later. Until a function is set, messages are given back to their senders.
   */
  onMessages: (batch: MessageBatch) => void = (batch) => {
    for (let i = 0; i < batch.count; i++) {
      if (batch.lane(i) !== Lane.immediate) this.settle(batch.delivery(i), Outcome.returned);
    }
  };
  /** Messages the receiver gave back (nack, returned), or left unfinished when the connection ended. Must not throw. */
  onReturned: (message: ReturnedMessage) => void = () => {};

  /** @internal */
  protected native!: NativeEndpoint;
  protected readonly options: ResolvedEndpointOptions;
  protected closed = false;
  private readonly live = new Set<PeerConnection>();
  private byId: (PeerConnection | undefined)[] = [];
  private outbox!: Uint32Array;
  private batch!: ReceivedBatch;
  private views: Views = new Map();
  private inMessages = false;
  private keepsAlive = true;
  private anchor: NodeJS.Timeout | undefined;

  protected constructor(options: ResolvedEndpointOptions) {
    super();
    this.options = options;
    this.budget = new QueueBudget(options.maxQueuedBytes, options.maxQueuedMessages);
  }

  /** Connections from their handshake to 'closed'; some may have hung up already (`open` is false). */
  get connections(): ReadonlySet<Connection> {
    return this.live;
  }

  /** Releases the message with this outcome and gives its credit back. Bytes of the batch must not be read after the loop turn. */
  settle(delivery: number, outcome: Outcome): void {
    this.push(delivery, outcome);
  }

  /** Release only (its payload was copied): frees the sender's partitions, the credit stays taken until finish(). */
  release(delivery: number, outcome: Outcome): void {
    this.push(delivery, ops.releaseOnly | outcome);
  }

  /** Credit only; after release(). */
  finish(delivery: number): void {
    this.push(delivery, ops.finishOnly);
  }

  /** Marks that the handler of this message begins, after unstart(). */
  start(delivery: number): void {
    if (!this.closed) this.native.start(delivery);
  }

  /** Inside onMessages: the message waits and has not begun. If this process dies, its attempt does not count. */
  unstart(delivery: number): void {
    if (!this.closed) this.native.unstart(delivery);
  }

  /**
   * From now on messages of lanes `events` and `requests` with at least `bytes` bytes (PEEK_BYTES to 2^32 - 1; Infinity: none, as at first) come without their copy, unless
   * they came in fragments: see `loaded`, `load` and `view` of MessageBatch. Throws RSM_INVALID_OPTIONS.
   */
  deferCopies(bytes: number): void {
    const from = bytes === Infinity ? NEVER : checkInteger('bytes', bytes, PEEK_BYTES, NEVER, PEEK_BYTES);
    if (!this.closed) this.native.deferCopies(from);
  }

  /** Every segment of every connection (a snapshot); empty once closed. */
  segmentTable(): SegmentRow[] {
    return this.closed ? [] : this.native.tables().segments;
  }

  /** Every segment group of every connection (a snapshot); empty once closed. */
  segmentGroupTable(): GroupRow[] {
    return this.closed ? [] : (this.native.tables().groups as GroupRow[]);
  }

  /** The directory of one group (GroupRow.number; a snapshot), one row a partition: 'out' the source segment's, 'in' the target segment's. */
  directory(connection: Connection, direction: 'in' | 'out', group: number): DirectoryRow[] {
    if (this.closed) return [];
    try {
      return this.native.directory(connection.id, direction, group);
    } catch (error) {
      throw fromNative(error, `directory of connection ${connection.id}, ${direction}, group ${group}`);
    }
  }

  /** Counts since the endpoint was made: messagesSent, messagesReceived, bytesSent, bytesReceived, doorbellsRung, wakes, polls, waits and others (native/index.d.ts lists them). */
  counters(): Record<string, number> {
    return this.closed ? {} : this.native.counters();
  }

  /** Keeps the process alive while it listens or is started (the default). */
  ref(): void {
    this.keepsAlive = true;
    if (this.isActive()) this.activate();
  }

  /** Lets the process end although it listens or is started. */
  unref(): void {
    this.keepsAlive = false;
    clearInterval(this.anchor);
    this.anchor = undefined;
    if (!this.closed) this.native.unref();
  }

  /** Listening, or started. */
  protected abstract isActive(): boolean;
  /** The folder of the service. */
  abstract readonly folder: string;
  protected abstract nativeOptions(): OwnNativeOptions;
  /** Before 'connection' is emitted. */
  protected abstract opened(connection: PeerConnection): void;
  /** After 'closed' was emitted. */
  protected abstract lost(connection: PeerConnection): void;
  /** A connection ended before its handshake did. */
  protected abstract handshakeFailed(id: number, error: RsmError): void;
  /** A budget for one more connection. */
  protected abstract budgetOf(): QueueBudget;

  /** Makes the native endpoint. It keeps the process alive only once activate() was called. */
  protected create(): void {
    const { service, segments, maxMessageSize, maxMemory, polling, ownFrom } = this.options;
    const common = { service, receive: segments, maxMessageSize, maxMemory, pollingWindow: pollingWindow(polling) };
    const own = ownFrom === Infinity ? {} : { ownFrom };
    this.native = makeNative({ ...common, ...own, ...this.nativeOptions() }, this.handlers(), this.folder);
    this.native.unref();
    this.header = this.native.header;
    this.outbox = this.native.outbox;
    this.byId = [];
    this.views = new Map();
    this.batch = new ReceivedBatch(this.native.table, this.byId, this.native, this.views);
  }

  protected activate(): void {
    if (!this.keepsAlive) return;
    this.native.ref();
    // Native handles exist while something is connected; a connector that lost its last peer still has work to wait for.
    this.anchor ??= setInterval(() => this.native.trim(), TRIM_INTERVAL_MS);
  }

  /** Ends everything at once. Native calls nothing after destroy(), so what the owners must hear is said here. */
  protected destroy(): void {
    this.closed = true;
    clearInterval(this.anchor);
    this.anchor = undefined;
    const connections = [...this.live];
    // What was settled in this turn is finished: its sender must not take it for lost.
    this.native.flush();
    for (const connection of connections) {
      connection.closedHere = true;
      connection.end(connection.inFlight);
    }
    this.native.destroy();
    this.batch.count = 0; // whoever closes inside onMessages reads no further
    for (const connection of connections) this.finishConnection(connection, undefined);
  }

  private push(delivery: number, op: number): void {
    // A handler may end after close(): its message went back to the sender with the connection.
    if (this.closed) return;
    if (this.views.size > 0 && op !== ops.finishOnly) this.endViews(delivery);
    const outbox = this.outbox;
    let pairs = outbox[0]!;
    if (pairs === OUTBOX_CAPACITY) {
      this.native.flush();
      pairs = outbox[0]!;
    }
    outbox[1 + 2 * pairs] = delivery;
    outbox[2 + 2 * pairs] = op;
    outbox[0] = pairs + 1;
    // Native looks into the outbox after onMessages by itself; anywhere else it must be told, once.
    if (pairs === 0 && !this.inMessages) this.native.schedule();
  }

  /** Before its partitions are the sender's again. */
  private endViews(delivery: number): void {
    const views = this.views.get(delivery);
    if (views === undefined) return;
    this.views.delete(delivery);
    views.forEach(detach);
  }

  private handlers(): NativeHandlers {
    return {
      onMessages: (count, arena, owned) => {
        this.batch.fill(count, arena, owned);
        this.inMessages = true;
        try {
          this.onMessages(this.batch);
        } catch (error) {
          throwLater(error);
        }
        this.inMessages = false;
      },
      onConnection: (id, peer) => guard(() => this.addConnection(id, peer)),
      onWritable: (id) => guard(() => this.byId[id]?.drain()),
      onReleases: (count, results, bytes) => guard(() => this.releases(count, results, bytes)),
      onNotice: (id, code) => guard(() => this.notice(id, code)),
      onLoanLost: (id) => guard(() => this.loanLost(this.byId[id])),
      onHangup: (id) => guard(() => this.hangup(this.byId[id])),
      onClosed: (id, code, reason, unfinished) => guard(() => this.connectionClosed(id, code, reason, unfinished)),
    };
  }

  private addConnection(id: number, peer: PeerInfo): void {
    const { maxMessageSize } = this.options;
    const connection = new PeerConnection(this.native, id, peer, this.budgetOf(), maxMessageSize, this.folder);
    this.byId[id] = connection;
    this.live.add(connection);
    this.opened(connection);
    this.emit('connection', connection);
  }

  private releases(count: number, results: Float64Array, bytes: (Buffer | undefined)[]): void {
    for (let i = 0; i < count; i++) {
      const row = i * RELEASE_ROW;
      const connection = this.byId[results[row]!];
      if (!connection) continue;
      const sequence = results[row + 1]!;
      const outcome = results[row + 2] as Outcome;
      // One handler that throws must not keep the rest of the batch from being heard.
      guard(() => {
        const watcher = connection.released(sequence, outcome);
        if (outcome !== Outcome.nack && outcome !== Outcome.returned) return;
        const lane = results[row + 3] as Lane;
        const attempt = results[row + 4]!;
        const started = outcome === Outcome.nack;
        this.onReturned({ connection, lane, attempt, sequence, outcome, started, bytes: bytes[i]!, watcher });
      });
    }
  }

  private notice(id: number, code: number): void {
    const connection = this.byId[id];
    if (!connection || connection.draining || code !== NOTICE_DRAINING) return;
    connection.draining = true;
    this.emit('draining', connection);
  }

  private hangup(connection: PeerConnection | undefined): void {
    if (!connection?.open) return;
    connection.open = false;
    this.emit('hangup', connection);
  }

  private loanLost(connection: PeerConnection | undefined): void {
    if (connection) this.emit('loanLost', connection);
  }

  private connectionClosed(id: number, code: string, reason: string, unfinished: UnfinishedMessage[]): void {
    const connection = this.byId[id];
    if (!connection) {
      const text = `No connection in ${this.folder}: ${reason || 'the peer went away during the handshake'}.`;
      return this.handshakeFailed(id, new RsmError((code || 'RSM_CONNECTION_LOST') as RsmErrorCode, text));
    }
    // A connection that is cut for a violation had no hang-up before; its owner hears of one in any case.
    guard(() => this.hangup(connection));
    connection.end(unfinished.length);
    for (const message of unfinished) {
      if (this.byId[id] !== connection) return; // a handler has closed this endpoint
      const { sequence, attempt, started, bytes } = message;
      const watcher = connection.forget(sequence);
      guard(() => this.onReturned({ connection, lane: message.lane as Lane, attempt, sequence, outcome: 0, started, bytes, watcher }));
    }
    if (this.byId[id] !== connection) return;
    const what = `The connection to ${connection.describe()} ended: ${reason || code}.`;
    this.finishConnection(connection, code === '' ? undefined : new RsmError(code as RsmErrorCode, what));
  }

  private finishConnection(connection: PeerConnection, error: RsmError | undefined): void {
    this.live.delete(connection);
    this.byId[connection.id] = undefined;
    guard(() => this.emit('closed', connection, error));
    guard(() => connection.failRest());
    this.lost(connection);
  }
}

function makeNative(options: NativeEndpointOptions, handlers: NativeHandlers, folder: string): NativeEndpoint {
  if (process.platform === 'win32' || typeof NativeEndpoint !== 'function') {
    const here = `${process.platform}-${process.arch}, Node.js ${process.version}`;
    throw new RsmError(
      'RSM_UNSUPPORTED_PLATFORM',
      `There is no native code for ${here}. It runs on Linux, and on macOS when compiled from source.`,
    );
  }
  try {
    return new NativeEndpoint(options, handlers);
  } catch (error) {
    throw fromNative(error, `service "${options.service}", folder ${folder}`);
  }
}
