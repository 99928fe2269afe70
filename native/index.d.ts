/**
 * The data plane of nestjs-rsm. This is the boundary between C++ and JavaScript, shaped for speed: typed arrays that both sides write, one callback per
 * batch. Applications use `@nestjs-rsm/segments` or `nestjs-rsm`, which check every argument; here a wrong type is a plain TypeError at best.
 *
 * An endpoint belongs to the thread that made it. Every callback comes from that thread's event loop, never from inside a call.
 * Loading the package where it cannot run throws an Error with the code `RSM_UNSUPPORTED_PLATFORM`.
 */

/** How one segment is cut. */
export interface SegmentGeometry {
  /** Bytes of one partition. */
  partitionSize: number;
  /** Number of partitions in the segment, at least `spanFactor`. */
  partitions: number;
  /** The most contiguous partitions that one message may occupy. */
  spanFactor: number;
}

/** What native code throws: a plain Error, so that ES module and CommonJS copies of the layers above need not share a class. */
export interface NativeError extends Error {
  /** `RSM_…` */
  code: string;
  /** The system's name of the error (`ECONNREFUSED`, `ENOENT`, …), where there was one. */
  reason?: string;
}

export interface NativeEndpointOptions {
  /** A listener accepts connections, a connector makes them. */
  role: 'listener' | 'connector';
  /** Name of the service, 1 to 64 characters; a connector is refused by a listener of another one. */
  service: string;
  /** Instance id of a listener or client id of a connector, 1 to 64 bytes. */
  identity: string;
  /** The target segments that each peer gets to send into. */
  receive: SegmentGeometry[];
  /** Bytes of the longest message that this endpoint accepts. */
  maxMessageSize: number;
  /** Connections at once; a further one is refused in its handshake. */
  maxConnections: number;
  /** Bytes reserved for target segments, release regions and assemblies over all connections; what would go beyond is refused. */
  maxMemory: number;
  /** Peers of these user ids are let in, and those of the own user id always. */
  allowUids: number[];
  /** Peers of these group ids are let in. */
  allowGids: number[];
  /** Milliseconds a peer has for its handshake. */
  handshakeTimeout: number;
  /** Connections that may be in their handshake at once. */
  maxHandshakes: number;
  /** Microseconds to go on polling after a message: -1 adaptive, 0 blocking, above 0 fixed. */
  pollingWindow: number;
  /** Messages of lane 1 delivered and not finished, over the whole endpoint; beyond it they wait in their partitions. 0xffffffff: unlimited. */
  eventCredit: number;
  /** The same for lane 2, per connection. */
  requestCredit: number;
  /** Messages of so many bytes and more are delivered in Buffers of their own, copied once from the partitions. Left out: none, they share the arena. */
  ownFrom?: number;
}

/** Credentials (from the kernel) and greeting (from the peer) of the other side. */
export interface PeerInfo {
  /** Process id, as seen in this process' namespace. */
  pid: number;
  uid: number;
  gid: number;
  identity: string;
  service: string;
  /** Bytes of the longest message that the peer accepts. */
  maxMessageSize: number;
  /** 16 hexadecimal digits, another one for each connection ever made. */
  incarnation: string;
}

/** A message of this side that was committed and not released when its connection ended. */
export interface UnfinishedMessage {
  sequence: number;
  lane: number;
  attempt: number;
  /** Its handler had begun. */
  started: boolean;
  /** A private copy of header and payload. */
  bytes: Buffer;
}

/** Called from the event loop, with the handlers object as `this`. Any method of the endpoint may be called inside, `destroy()` included. */
export interface NativeHandlers {
  /**
   * The first `count` rows of `endpoint.table` are filled with what arrived, in the order committed per connection. A row is 8 words:
   * `[connection, delivery, lane, attempt, offset, length, owned, deferred]`. Where `owned` is 0, the bytes are in `arena` at `offset` (where `deferred` is 1
   * only the first 2,048 of them, until load()); else they are in `owned[owned - 1]`, which belongs to the callee. Arena and table are overwritten by the next call: copy or decode what is needed later.
   * Deliveries of lanes 1 and 2 must be settled through the outbox; rows of lane 0 have the delivery 0xffffffff and need no settling.
   */
  onMessages(count: number, arena: Buffer, owned: Buffer[]): void;
  /** The handshake is complete: a client came (listener), or what connect() began is done (connector). */
  onConnection(connection: number, peer: PeerInfo): void;
  /** A connection on which send() returned 0 has room again. */
  onWritable(connection: number): void;
  /**
   * What the peer said of `count` messages of this side: each one sent with the flag 1, and each one whose outcome is not `done`.
   * `results` has 5 numbers a message, `[connection, sequence, outcome, lane, attempt]`. `bytes[i]` is a private copy of the whole message (header
   * and payload) where its outcome is nack or returned, else undefined.
   */
  onReleases(count: number, results: Float64Array, bytes: (Buffer | undefined)[]): void;
  /** The peer called notice(code). */
  onNotice(connection: number, code: number): void;
  /**
   * The connection is over and its memory given back. What the peer had committed was delivered before; a listener waits until all of it was settled.
   * `code` is `''` after an orderly end by this side, else `RSM_…` with the reason in words. `unfinished` is in commit order.
   */
  onClosed(connection: number, code: string, reason: string, unfinished: UnfinishedMessage[]): void;
  /** A loan of this connection was collected as garbage and given back: its owner has neither sent it nor given it back. */
  onLoanLost(connection: number): void;
  /** The peer hung up: sends fail from now on, what it had committed is still being delivered. onClosed follows. */
  onHangup(connection: number): void;
}

export class NativeEndpoint {
  /**
   * Neither listens nor connects yet. The endpoint keeps itself alive until destroy().
   * @throws NativeError `RSM_INVALID_OPTIONS` for a geometry that cannot be.
   */
  constructor(options: NativeEndpointOptions, handlers: NativeHandlers);

  /** 65,536 bytes that both sides know: write the header of the next send() here. Same Buffer for ever. */
  readonly header: Buffer;
  /** 256 rows of 8 words, see onMessages. Same array for ever. */
  readonly table: Uint32Array;
  /**
   * Settlements for native code to take: `outbox[0]` is the number of pairs `[delivery, op]` that follow, at most 4,095. They are taken, and `outbox[0]`
   * set to 0, after onMessages, at each loop turn and by flush(). See `ops`. A delivery that is unknown or was settled before is passed over.
   */
  readonly outbox: Uint32Array;

  /**
   * Binds under a temporary name in the same folder, listens, then renames to `path`, so that nobody finds a socket that is not ready.
   * The socket has mode 0600, or with `gid` 0660 and that group.
   * @throws NativeError with `reason`, such as EACCES or ENOENT.
   */
  listen(path: string, gid?: number): void;
  /** Stops accepting and unlinks the socket. Connections stay. */
  stopListening(): void;
  /**
   * Begins a connection and returns its id, which is never used again. onConnection or onClosed follows.
   * @throws NativeError `RSM_UNREACHABLE` with `reason` ECONNREFUSED (nobody serves this socket any more), ENOENT, …
   */
  connect(path: string): number;

  /**
   * Commits the first `headerLength` bytes of `header` and then `payload` (a string as UTF-8) as one message.
   * @param lane 0 immediate, 1 events, 2 requests.
   * @param flags 1: report the release in onReleases; else 0.
   * @param attempt 1 for a first delivery.
   * @returns the message's sequence, above 0; or 0 where there is no room now: nothing was copied, onWritable follows.
   * @throws NativeError `RSM_MESSAGE_TOO_LARGE` (before anything is copied), `RSM_CONNECTION_LOST`.
   */
  send(connection: number, lane: number, flags: number, attempt: number, headerLength: number, payload?: string | Uint8Array): number;
  /**
   * Commits messages that lie one after another in `packed`, the i-th `lengths[i]` bytes long, beginning with the one at index `first`.
   * @returns how many were committed; fewer than asked where there is no room for more now (onWritable follows), or the next one is longer than the
   * receiver's maxMessageSize: a call that begins with that one throws.
   * @throws like send(); RangeError where the lengths exceed `packed`.
   */
  sendBatch(connection: number, lane: number, packed: Uint8Array, lengths: Uint32Array, first: number): number;

  /**
   * Takes partitions for a message of up to `length` bytes, to be filled in place.
   * @returns the loan's number, above 0; 0 where there is no room now: onWritable follows; -1 where waiting would not help: longer than the largest span,
   * only other loans in the way, or 4,096 of them.
   * @throws as send().
   */
  lend(connection: number, length: number): number;
  /**
   * The first `length` bytes of a loan, no more than were asked for, as a Buffer over its partitions; call it once. Undefined where the runtime has no Buffers over
   * foreign memory. A loan whose Buffer is collected without having been sent or returned is returned, and onLoanLost called.
   */
  lent(loan: number, length: number): Buffer | undefined;
  /**
   * Commits the first `length` bytes of a loan as one message, header included, which ends it: detach its Buffer at once. Partitions not reached are freed.
   * @returns as send(); at 0 (fragments of another message are leaving) the loan stays, and onWritable does not follow.
   * @throws NativeError `RSM_CONNECTION_LOST` (the loan stays, to be read), `RSM_INVALID_OPTIONS` for one that has ended.
   */
  commitLoan(loan: number, lane: number, flags: number, attempt: number, length: number): number;
  /** Frees the partitions of a loan: detach its Buffer first. One that has ended is passed over. Never throws. */
  returnLoan(loan: number): void;
  /** From now on, messages of lanes 1 and 2 with at least `bytes` bytes (at least 2,048) in one span are delivered without their copy. 0xffffffff: none, as at first. */
  deferCopies(bytes: number): void;
  /**
   * Completes the copy of a deferred message in the arena; `offset` as in its row. Inside onMessages only. False where the delivery is over. A message that is as long as
   * `ownFrom` is copied whole into a Buffer of its own, which is returned.
   */
  load(delivery: number, offset: number): boolean | Buffer;
  /**
   * Bytes [start, end) of a delivered message as a Buffer over its partitions, for peers that are trusted: they may write there, and so may whoever has the Buffer.
   * Detach it before the delivery is released. Undefined where the delivery is over, came in fragments, or the runtime has no such Buffers.
   */
  view(delivery: number, start: number, end: number): Buffer | undefined;

  /** Makes a loop turn come soon, in which the outbox is taken. Needed after writing to the outbox outside onMessages. */
  schedule(): void;
  /** Takes the outbox now. */
  flush(): void;
  /** Publishes that the handler of a delivery begins. Each delivery counts as started, unless unstart() was called for it inside onMessages. */
  start(delivery: number): void;
  /** Publishes that a delivery's handler has not begun: it waits for its turn. */
  unstart(delivery: number): void;
  /** Gives messages of lanes 1 and 2 that still wait in their partitions back with the outcome `returned`, now and from now on. */
  returnUnstarted(): void;
  /** Tells the peer of every connection: 1 = this side is draining. Goes over the control socket. */
  notice(code: number): void;
  /** Messages of this side committed on this connection and not yet released; 0 for one that is over. */
  inFlight(connection: number): number;
  /** The longest message that one span carries, bytes; 0 before segments are formed. */
  largestSpan(connection: number): number;
  /** A message longer than that was taken, and not all of its fragments are committed: onWritable follows. */
  sending(connection: number): boolean;
  /** Gives pages of partitions in which nothing is in flight back to the system. Costs a look per connection. */
  trim(): void;
  /** Ends one connection; both sides learn of it. onClosed follows in a later turn. */
  close(connection: number): void;
  /** Ends everything: connections, socket, loop handles. No callback comes after it, other methods throw `RSM_CONNECTION_LOST`. Idempotent. */
  destroy(): void;
  /** Keeps the process alive while the endpoint is not destroyed, which is how it starts. Not after destroy(). */
  ref(): void;
  /** Lets the process exit although the endpoint is not destroyed. Not after destroy(). */
  unref(): void;

  /** The segment table and the segment group table as they are now. */
  tables(): { segments: SegmentRow[]; groups: GroupRow[] };
  /**
   * A snapshot of one directory, a row per partition: the source directory ('out') or the target directory ('in') of the group with this `number`.
   * Empty for a connection or group that does not exist (yet: segments are formed at the first message).
   */
  directory(connection: number, direction: 'out' | 'in', group: number): DirectoryRow[];
  /**
   * messagesSent, messagesReceived, bytesSent, bytesReceived; doorbellsRung and wakes (rings heard); polls (loop turns), sleeps, waits (sends that
   * found no room), refused (handshakes) since the endpoint was made; connections and reservedBytes as they are now. In builds with RSM_WAKE_CHECKS
   * also wakeChecks (looks at sleeping connections) and missedWakes (messages, and releases waited for, found unannounced for over 50 ms).
   */
  counters(): Record<string, number>;
}

export interface SegmentRow {
  id: number;
  connection: number;
  role: 'source' | 'target';
  interconnect: 'mapped';
  /** Bytes. */
  partitionSize: number;
  partitions: number;
  spanFactor: number;
  /** Bytes from the beginning of its region. */
  offset: number;
  /** Bytes. */
  length: number;
}

export interface GroupRow {
  id: number;
  connection: number;
  /** 'out': this side sends through it. */
  direction: 'out' | 'in';
  /** Within its channel, in ascending order of partition size: what directory() takes. */
  number: number;
  /** Id of its segment in the segment table. */
  segment: number;
  /** Bytes. */
  partitionSize: number;
  partitions: number;
  spanFactor: number;
  /** Messages carried since the group was formed. */
  messages: number;
  /** Bytes carried since the group was formed. */
  bytes: number;
  /** Partitions in use now. */
  partitionsTaken: number;
  /** The most partitions that were ever in use at once. */
  highWater: number;
}

export interface DirectoryRow {
  /** The partition is the first one of a message. */
  first: boolean;
  /** The partition is in use. Known to the sender alone: always false for 'in'. */
  taken: boolean;
  /** Index of the message's next partition, or -1 at the end of its span. */
  next: number;
  /** Bytes of the message, in the row of its first partition. */
  length: number;
}

/** Takes the memory away from a Buffer (and from all that share its ArrayBuffer): they have 0 bytes from now on. */
export function detach(buffer: Uint8Array): void;

/** How a message ended: handled; its handler failed; refused, deliver it again; given back before its handler began. */
export const outcomes: { readonly done: 1; readonly failed: 2; readonly nack: 3; readonly returned: 4 };

/**
 * Ops of the outbox: an outcome alone releases the message with it and gives the credit back; `releaseOnly | outcome` releases it (its payload was copied) and
 * keeps the credit; `finishOnly` gives the credit back.
 */
export const ops: { readonly releaseOnly: 16; readonly finishOnly: 32 };
