import type { Lane, Outcome } from './lanes.js';
import type { RsmError } from './errors.js';

/** One segment: `partitions` partitions of `partitionSize` bytes; one message takes at most `spanFactor` of them as one span. */
export interface SegmentGeometry {
  /** Bytes, 1 to 1 GiB; different in every segment of a direction. */
  partitionSize: number;
  /** 1 to 1,048,576, and at least the span factor. */
  partitions: number;
  /** 1 to `partitions`. */
  spanFactor: number;
}

/** How an endpoint waits: polls for a while after each message (as long as that pays), never, or for a fixed window (µs, 1 to 1,000,000). */
export type Polling = 'adaptive' | 'blocking' | { window: number };

export interface EndpointOptions {
  /** 1 to 64 letters, digits, `.`, `_`, `-`; not `.` or `..`. */
  service: string;
  /** Absolute path; default: RSM_DIRECTORY, else `/tmp/rsm-<uid>`. Both sides must use the same one. */
  directory?: string;
  /** The memory this side receives into, for each connection. Default: {@link DEFAULT_SEGMENTS}. */
  segments?: readonly SegmentGeometry[];
  /** Bytes, 1 to 1 GiB; the longest message this side accepts. Default 64 MiB. */
  maxMessageSize?: number;
  /** Default 'adaptive'. */
  polling?: Polling;
  /** Bytes reserved over all connections and half-received messages, from 1; connections beyond it are refused. Default 8 GiB (reserved, not used). */
  maxMemory?: number;
  /** Bytes that may wait in queues (connector: over all its connections; listener: for each connection), from 1. Default 64 MiB. */
  maxQueuedBytes?: number;
  /** The same as a number of messages, from 1. Default 1,000,000. */
  maxQueuedMessages?: number;
  /**
   * Bytes from which a message arrives in a Buffer of its own (MessageBatch.owned), from 1: for receivers that keep long messages, which then are copied once.
   * Default Infinity: all share the batch's arena, the fastest for receivers that only read.
   */
  ownFrom?: number;
}

export interface ListenerOptions extends EndpointOptions {
  /** 1 to 65,535; default 512. Clients beyond it are refused. */
  maxConnections?: number;
  /**
   * Who may connect beside the own uid. With `gids` the folder belongs to the first of them (mode 2750), the socket too (0660);
   * else only the own uid and root can reach the socket at all.
   */
  allow?: { uids?: number[]; gids?: number[] };
  /** Milliseconds a client has for the handshake, 1 to 2,147,483,647; default 5,000. */
  handshakeTimeout?: number;
  /** Clients in handshake at once, 1 to 65,535; default 64. */
  maxHandshakes?: number;
  /** Messages of lane `events` delivered and not finished, over the whole listener: 1 to 4,294,967,295 (unlimited, the default). */
  eventCredit?: number;
  /** The same for lane `requests`, for each connection. */
  requestCredit?: number;
}

export interface ConnectorOptions extends EndpointOptions {
  /** Whose services are trusted beside those of the own uid and of root. */
  allow?: { uids?: number[] };
  /** Milliseconds ready() waits by default, 0 to 2,147,483,647; default 5,000. */
  connectTimeout?: number;
  /** Failed attempts in a row after the first before an instance is given up until its socket is replaced; 0 to Infinity (the default). */
  retryAttempts?: number;
  /** Milliseconds between two looks at a folder that does not exist or cannot be watched, 1 to 2,147,483,647; default 100. */
  scanInterval?: number;
}

/** A batch of received messages. The object, its arena and its rows are reused: valid only during the callback. */
export interface MessageBatch {
  /** Messages in it; `i` below is 0 to count - 1 and is not checked. */
  readonly count: number;
  connection(i: number): Connection;
  /** What settle(), release(), finish(), start() and unstart() take. Lane `immediate` needs none of them. */
  delivery(i: number): number;
  lane(i: number): Lane;
  /** 0 at first, one more for each redelivery after the message had started. */
  attempt(i: number): number;
  /** The Buffer that holds message i: the shared arena, or its own where owned(i). */
  buffer(i: number): Buffer;
  /** Where it begins in buffer(i), bytes. */
  offset(i: number): number;
  /** Bytes. */
  length(i: number): number;
  /** True: the Buffer is private to this message, views on it may be kept. False: the next batch overwrites it. */
  owned(i: number): boolean;
  /** False (see Endpoint.deferCopies): only the first PEEK_BYTES bytes of the message are in buffer(i), until load(i). */
  loaded(i: number): boolean;
  /** Copies the rest of a message that is not loaded to buffer(i). One of `ownFrom` bytes and more has a Buffer of its own from then on: ask for buffer(i) and offset(i) anew. */
  load(i: number): void;
  /**
   * Bytes [start, end) of a message that is not loaded, in place: a Buffer over the partitions, detached (0 bytes) when the message is released. For trusted peers only:
   * the sender can change the bytes at any time, so read each once or copy them before decoding; what is written there is delivered if the message is
   * delivered again. Undefined where the runtime has no such Buffers, or the message is loaded.
   */
  view(i: number, start: number, end: number): Buffer | undefined;
  /** Convenience: a private copy. */
  copy(i: number): Buffer;
}

/** Callbacks for one message; each is called at most once for each send, never synchronously inside send(). They must not throw. */
export interface SendWatcher {
  /** The message was queued and is committed now (not called when send() returned a sequence). */
  committed?(sequence: number): void;
  /** The receiver released it. Needs watchRelease. For nack and returned, Endpoint.onReturned follows with the bytes. */
  released?(outcome: Outcome): void;
  /** It was queued and never will be committed (connection ended: RSM_CONNECTION_LOST), unless the connection's owner took it over (takeQueued). */
  failed?(error: RsmError): void;
  watchRelease?: boolean;
}

/** Partitions of the receiver that are filled in place and then sent without a copy; see Connection.loan(). */
export interface Loan {
  readonly connection: Connection;
  /**
   * To be filled by the caller, header and payload of the message; what it holds at first is not defined. Detached (0 bytes, views on it too) when the loan has ended:
   * whatever fills it must be done before.
   */
  readonly buffer: Buffer;
  /** Neither sent nor given back. */
  readonly open: boolean;
  /** It lies in partitions. False: partitions could not be lent, and `buffer` is private memory that is copied when sent. */
  readonly inPlace: boolean;
  /**
   * Sends the first `length` bytes (default: all) as one message and ends the loan. Its place in the order is that of this call. It is copied where messages wait in
   * front of it, and for a loan that is not in place. Returns and throws as Connection.send(); after an error the loan is still open, its bytes can be sent over
   * another connection. Throws RSM_INVALID_OPTIONS for a loan that has ended, or a length beyond it.
   */
  send(lane: Lane, length?: number, watcher?: SendWatcher, attempt?: number): number;
  /** Ends the loan without sending. Idempotent. */
  giveBack(): void;
}

/** A message of this side that comes back. It belongs to the owner of the endpoint from now on. */
export interface ReturnedMessage {
  connection: Connection;
  lane: Lane;
  attempt: number;
  sequence: number;
  /** 0: the connection was lost. */
  outcome: Outcome | 0;
  /** A handler had begun with it. */
  started: boolean;
  /** The whole message, header included; private. */
  bytes: Buffer;
  /** The watcher it was sent with, if that has watchRelease, or if the connection was lost before all fragments of the message had left. */
  watcher?: SendWatcher;
}

/** A message that was never committed. It belongs to whoever took it. */
export interface QueuedMessage {
  lane: Lane;
  attempt: number;
  /** The whole message, header included; private. */
  bytes: Buffer;
  watcher?: SendWatcher;
}

/** Who is at the other end: credentials by the kernel, the rest by the handshake. */
export interface Peer {
  pid: number;
  uid: number;
  gid: number;
  /** Instance id of a listener, client id of a connector. */
  identity: string;
  service: string;
  /** Bytes; the longest message it accepts. */
  maxMessageSize: number;
}

/** The two channels between a client and a server instance, and their control socket. */
export interface Connection {
  /** Unique within its endpoint. */
  readonly id: number;
  readonly peer: Peer;
  /** False once the peer hung up or close() was called. */
  readonly open: boolean;
  /** The peer said that it takes no more (it drains). */
  readonly draining: boolean;
  readonly queuedBytes: number;
  readonly queuedMessages: number;
  /** Messages committed and not yet released by the peer. */
  readonly inFlight: number;
  /** Of a message longer than the largest span, fragments are still to be committed. */
  readonly leaving: boolean;
  /** Free for the layer above. */

  data: any;
  /**
   * Commits header (the first headerLength bytes of endpoint.header) + payload now, or queues a private copy within the budget.
   * Returns the sequence (from 1), or 0 if queued. Throws RSM_BACKPRESSURE (budget used up), RSM_MESSAGE_TOO_LARGE (nothing was copied),
   * RSM_CONNECTION_LOST (not open). Nothing overtakes a queued message of the same connection.
   */
  send(lane: Lane, headerLength: number, payload?: string | Uint8Array, watcher?: SendWatcher, attempt?: number): number;
  /**
   * Like send, for whole messages already encoded. `front` puts it before everything queued (redelivery); such a message was accepted
   * once and is queued even beyond the budget.
   */
  sendBytes(lane: Lane, bytes: Uint8Array, watcher?: SendWatcher, attempt?: number, front?: boolean): number;
  /** Without Nest: sends (lane `events` by default) and waits until committed: back-pressure as an awaitable. Rejects with what send() throws, or RSM_CONNECTION_LOST. */
  write(payload: string | Uint8Array, lane?: Lane): Promise<void>;
  /**
   * Sends a batch and waits until all of it is committed: one native call for as many messages as there is room for. Each is a message of its own, in order; messages
   * of others may come between them where the batch waits for room. Rejects as write() does; what was committed before stays so.
   */
  writeAll(payloads: readonly (string | Uint8Array)[], lane?: Lane): Promise<void>;
  /**
   * Commits messages that lie one after another in `packed`, the i-th `lengths[i]` bytes long, from the one with the index `first` on, with one
   * native call and no object for each. Returns for how many there was room now: send() or write() the next one, which waits, then go on. A message
   * longer than the segments' largest span ends the batch before it in the same way. Nothing is queued. Throws like send(); RSM_MESSAGE_TOO_LARGE
   * before anything is committed.
   */
  sendBatch(lane: Lane, packed: Uint8Array, lengths: Uint32Array, first?: number): number;
  /**
   * Lends partitions for a message of up to `size` bytes, 1 to maxMessageSize: fill `loan.buffer`, then `loan.send()` or `loan.giveBack()`. Waits in its turn where there is no
   * room; what is sent meanwhile queues behind. Partitions cannot be lent for more than the largest span, nor where only other loans are in the way: then
   * the Buffer is private and is copied when sent. A loan that is collected as garbage is given back ('loanLost').
   * Rejects with RSM_MESSAGE_TOO_LARGE, RSM_CONNECTION_LOST, RSM_INVALID_OPTIONS.
   */
  loan(size: number): Promise<Loan>;
  /** Resolves when everything queued is committed and released by the receiver; rejects with RSM_CONNECTION_LOST when the connection ends first. */
  flushed(): Promise<void>;
  /** Takes all queued messages out, in order (to send them elsewhere); their budget is given back. */
  takeQueued(): QueuedMessage[];
  /** Ends this connection; 'closed' follows. A connector connects anew while the instance's socket accepts. Idempotent. */
  close(): void;
}

/** Events of an endpoint, with their arguments. */
export interface EndpointEvents {
  /** Listener: a client came. Connector: an instance is connected. It can be used at once. */
  connection: [Connection];
  /** The peer is gone or is being lost: sends fail from now on. What it had committed is still delivered. */
  hangup: [Connection];
  /** The peer announced that it is draining. */
  draining: [Connection];
  /** A loan of the connection was collected as garbage, neither sent nor given back; its partitions are free again. */
  loanLost: [Connection];
  /** After onReturned was called for each unfinished message. The error is undefined where this side ended it. */
  closed: [Connection, RsmError | undefined];
  /** A connection ended before its handshake did. */
  refused: [RsmError];
}
