import { codeOf, fromNative, guard, RsmError } from './errors.js';
import { Lane, type Outcome } from './lanes.js';
import { LongMessage, Write } from './send-watchers.js';
import { pack, sizeOf } from './packing.js';
import type { NativeEndpoint } from './native.js';
import { type Lender, PartitionLoan } from './loan.js';
import type { QueueBudget } from './queue-budget.js';
import { SendQueue } from './send-queue.js';
import { checkInteger } from './options.js';
import type { Loan, Peer, QueuedMessage, SendWatcher } from './types.js';

/** send() flag: report the release. */
const WATCH = 1;
/** Queued messages committed in one loop turn; a fast receiver must not keep the loop here. */
const DRAIN_LIMIT = 1024;
/** Milliseconds between two looks at what is in flight, while somebody waits in flushed(). */
const FLUSH_INTERVAL_MS = 5;
const NOTHING = new Uint8Array(0);
/** What commit() returns for a message that native has taken, but whose fragments have not all left. */
const LEAVING = -1;

interface FlushWaiter {
  resolve(): void;
  reject(error: RsmError): void;
}

/** A connection as its endpoint drives it; users see the interface Connection. */
export class PeerConnection implements Lender {
  data: unknown = undefined;
  draining = false;
  open = true;
  /** When it was opened, ms of Date.now(). */
  readonly openedAt = Date.now();
  /** This side called close(). */
  closedHere = false;
  private readonly queue: SendQueue;
  private readonly watchers = new Map<number, SendWatcher>();
  private readonly limit: number;
  /** Longer messages leave in fragments. Not known before segments are formed, when native takes nothing anyway. */
  private largestSpan = Infinity;
  /** The message whose fragments are leaving. */
  private long: { readonly watcher: SendWatcher | undefined; readonly sequence: number } | undefined;
  /** Of the message whose fragments had not all left when the connection ended. */
  private interrupted: SendWatcher | undefined;
  private ended = false;
  private flushWaiters: FlushWaiter[] = [];
  private flushTimer: NodeJS.Timeout | undefined;
  private drainImmediate: NodeJS.Immediate | undefined;

  constructor(
    private readonly native: NativeEndpoint,
    readonly id: number,
    readonly peer: Peer,
    budget: QueueBudget,
    maxMessageSize: number,
    private readonly folder: string,
  ) {
    this.queue = new SendQueue(budget);
    this.limit = Math.min(maxMessageSize, peer.maxMessageSize);
  }

  get queuedBytes(): number {
    return this.queue.bytes;
  }

  get queuedMessages(): number {
    return this.queue.length;
  }

  get leaving(): boolean {
    return this.long !== undefined && this.open;
  }

  get inFlight(): number {
    return this.ended ? 0 : this.native.inFlight(this.id);
  }

  send(lane: Lane, headerLength: number, payload?: string | Uint8Array, watcher?: SendWatcher, attempt = 0): number {
    this.checkSize(headerLength, payload);
    if (this.queue.idle) {
      const sequence = this.commit(lane, headerLength, payload, watcher, attempt, false);
      if (sequence > 0) return sequence;
      if (sequence === LEAVING) return 0;
    } else if (!this.open) {
      throw this.lost();
    }
    this.enqueue(lane, headerLength, payload, watcher, attempt, false);
    return 0;
  }

  sendBytes(lane: Lane, bytes: Uint8Array, watcher?: SendWatcher, attempt = 0, front = false): number {
    if (!front) return this.send(lane, 0, bytes, watcher, attempt);
    this.checkSize(0, bytes);
    if (!this.open) throw this.lost();
    if (this.queue.length === 0) {
      const sequence = this.commit(lane, 0, bytes, watcher, attempt, true);
      if (sequence > 0) return sequence;
      if (sequence === LEAVING) return 0;
    }
    this.enqueue(lane, 0, bytes, watcher, attempt, true);
    return 0;
  }

  async write(payload: string | Uint8Array, lane: Lane = Lane.events): Promise<void> {
    this.checkSize(0, payload);
    await new Promise<void>((resolve, reject) => {
      if (this.send(lane, 0, payload, new Write(resolve, reject)) > 0) resolve();
    });
  }

  async writeAll(payloads: readonly (string | Uint8Array)[], lane: Lane = Lane.events): Promise<void> {
    for (const payload of payloads) this.checkSize(0, payload);
    const { packed, lengths } = pack(payloads);
    for (let sent = 0; sent < payloads.length;) {
      if (this.queue.idle) sent += this.commitBatch(lane, packed, lengths, sent);
      if (sent < payloads.length) await this.write(payloads[sent++]!, lane);
    }
  }

  sendBatch(lane: Lane, packed: Uint8Array, lengths: Uint32Array, first = 0): number {
    let total = 0;
    for (let i = 0; i < lengths.length; i++) {
      const length = lengths[i]!;
      if (length > this.limit) throw this.tooLarge(length);
      total += length;
    }
    if (total > packed.length) {
      throw new RsmError(
        'RSM_INVALID_OPTIONS',
        `The lengths of this batch add up to ${total} bytes, but ${packed.length} are packed: pass one length a message.`,
      );
    }
    return this.queue.idle ? this.commitBatch(lane, packed, lengths, first) : 0;
  }

  async loan(size: number): Promise<Loan> {
    checkInteger('size', size, 1, Number.MAX_SAFE_INTEGER, 1);
    this.checkSize(size, undefined);
    const loan = this.queue.idle ? this.lend(size) : undefined;
    if (loan) return loan;
    if (!this.open) throw this.lost();
    return new Promise<Loan>((resolve, reject) => this.queue.pushLoan({ size, ahead: this.queue.length, resolve, reject }));
  }

  /** See Lender. */
  commitLoan(loan: number, length: number, lane: Lane, watcher: SendWatcher | undefined, attempt: number): number {
    if (!this.open) throw this.lost();
    if (!this.queue.idle) return 0;
    const watch = watcher !== undefined && watcher.watchRelease === true;
    let sequence: number;
    try {
      sequence = this.native.commitLoan(loan, lane, watch ? WATCH : 0, attempt, length);
    } catch (error) {
      throw fromNative(error, this.describe());
    }
    if (watch && sequence > 0) this.watchers.set(sequence, watcher);
    return sequence;
  }

  flushed(): Promise<void> {
    if (this.isFlushed()) return Promise.resolve();
    if (this.ended) return Promise.reject(this.lost());
    return new Promise((resolve, reject) => {
      this.flushWaiters.push({ resolve, reject });
      // Native reports a release only where its message asked for that when it was sent, so the count in flight is looked at; the
      // timer runs only while somebody waits, and keeps the process alive as the wait demands.
      this.flushTimer ??= setInterval(() => {
        if (this.isFlushed()) this.settleFlushed();
      }, FLUSH_INTERVAL_MS);
    });
  }

  takeQueued(): QueuedMessage[] {
    return this.queue.takeAll();
  }

  close(): void {
    if (this.closedHere || this.ended) return;
    this.closedHere = true;
    this.open = false;
    this.native.close(this.id);
  }

  /** Sends what waits, until native takes no more. */
  drain(): void {
    clearImmediate(this.drainImmediate);
    this.drainImmediate = undefined;
    this.largestSpan = this.native.largestSpan(this.id) || Infinity;
    if (this.long) {
      if (this.native.sending(this.id)) return;
      this.allLeft();
    }
    for (let sent = 0; this.open; sent++) {
      if (sent === DRAIN_LIMIT) {
        this.drainImmediate = setImmediate(() => this.drain());
        return;
      }
      if (this.queue.firstLoan()) {
        if (!this.serveLoan()) return;
        continue;
      }
      const message = this.queue.first();
      if (!message) return;
      let sequence: number;
      try {
        sequence = this.commit(message.lane, 0, message.bytes, message.watcher, message.attempt, true);
      } catch (error) {
        // A lost connection keeps its queue until its owner has had the chance to take it.
        if (codeOf(error) === 'RSM_CONNECTION_LOST') return;
        this.queue.shift();
        guard(() => message.watcher?.failed?.(error as RsmError));
        continue;
      }
      if (sequence === 0) return;
      this.queue.shift();
      if (sequence === LEAVING) return;
      const { watcher } = message;
      if (watcher?.committed) guard(() => watcher.committed!(sequence));
    }
  }

  /** Reports a release to the watcher of its message. */
  released(sequence: number, outcome: Outcome): SendWatcher | undefined {
    if (this.long?.sequence === sequence) this.allLeft();
    const watcher = this.watchers.get(sequence);
    const original = this.takeWatcher(sequence);
    watcher?.released?.(outcome);
    return original;
  }

  /** The watcher of a message that the connection left unfinished: it has watchRelease, or was not told yet that the message is committed. */
  forget(sequence: number): SendWatcher | undefined {
    if (this.long?.sequence !== sequence) return this.takeWatcher(sequence);
    const { watcher } = this.long;
    this.long = undefined;
    this.interrupted = watcher;
    this.takeWatcher(sequence);
    return watcher;
  }

  /** Nothing was left unfinished when the connection ended: whoever waits in flushed() has what he wanted. */
  end(unfinished: number): void {
    const complete = unfinished === 0 && this.queue.length === 0;
    this.open = false;
    this.ended = true;
    clearImmediate(this.drainImmediate);
    if (complete) this.settleFlushed();
  }

  /** After the owner's last chance to take the queue: fails what is left in it. */
  failRest(): void {
    for (const { reject } of this.queue.takeLoans()) reject(this.lost());
    const failed = this.queue.takeAll().map(({ watcher }) => watcher);
    // Nobody has taken over the message that was leaving: native was destroyed, or its sender waits in write().
    if (this.long) failed.unshift(this.long.watcher);
    else if (this.interrupted instanceof Write) failed.unshift(this.interrupted);
    this.long = this.interrupted = undefined;
    for (const sequence of this.watchers.keys()) this.takeWatcher(sequence);
    if (failed.length === 0 && this.flushWaiters.length === 0) return;
    const error = this.lost();
    for (const watcher of failed) guard(() => watcher?.failed?.(error));
    this.settleFlushed(error);
  }

  /** For messages to people. */
  describe(): string {
    return `instance ${this.peer.identity} of service "${this.peer.service}", process ${this.peer.pid}, folder ${this.folder}`;
  }

  lost(): RsmError {
    const how = this.closedHere ? 'was closed on this side' : 'ended';
    return new RsmError('RSM_CONNECTION_LOST', `The connection to ${this.describe()} ${how}. Send over another connection of the service.`);
  }

  /** Undefined: there is no room now, and native will say when there is. */
  private lend(size: number): Loan | undefined {
    if (!this.open) throw this.lost();
    let loan: number;
    try {
      loan = this.native.lend(this.id, size);
    } catch (error) {
      throw fromNative(error, this.describe());
    }
    if (loan === 0) return undefined;
    const buffer = loan > 0 ? this.native.lent(loan, size) : undefined;
    if (buffer) return new PartitionLoan(this, buffer, loan, this.native);
    if (loan > 0) this.native.returnLoan(loan);
    // Memory of its own: it is detached in the end.
    return new PartitionLoan(this, Buffer.allocUnsafeSlow(size), 0, this.native);
  }

  /** Serves whoever waits for a loan and has the turn. False: there is no room. */
  private serveLoan(): boolean {
    const request = this.queue.firstLoan()!;
    try {
      const loan = this.lend(request.size);
      if (!loan) return false;
      this.queue.shiftLoan();
      request.resolve(loan);
    } catch (error) {
      this.queue.shiftLoan();
      request.reject(error);
    }
    return true;
  }

  /** The last fragment has left: the message is committed. */
  private allLeft(): void {
    const { watcher, sequence } = this.long!;
    this.long = undefined;
    if (watcher?.committed) guard(() => watcher.committed!(sequence));
  }

  /** Ends the watch on a message. Returns its watcher where that has watchRelease. */
  private takeWatcher(sequence: number): SendWatcher | undefined {
    const watcher = this.watchers.get(sequence);
    if (watcher === undefined) return undefined;
    this.watchers.delete(sequence);
    if (!(watcher instanceof LongMessage)) return watcher;
    watcher.giveBack();
    return watcher.original?.watchRelease ? watcher.original : undefined;
  }

  /** Commits now; 0 where there is no room, LEAVING where fragments leave. `counted`: accepted before, so it may pass the budget. Allocates nothing. */
  private commit(
    lane: Lane,
    headerLength: number,
    payload: string | Uint8Array | undefined,
    watcher: SendWatcher | undefined,
    attempt: number,
    counted: boolean,
  ): number {
    if (!this.open) throw this.lost();
    if (payload !== undefined && headerLength + payload.length * (typeof payload === 'string' ? 3 : 1) > this.largestSpan) {
      const size = sizeOf(headerLength, payload);
      if (size > this.largestSpan) return this.commitLong(lane, headerLength, payload, size, watcher, attempt, counted);
    }
    const watch = watcher !== undefined && watcher.watchRelease === true;
    let sequence: number;
    try {
      sequence = this.native.send(this.id, lane, watch ? WATCH : 0, attempt, headerLength, payload);
    } catch (error) {
      throw fromNative(error, this.describe());
    }
    if (watch && sequence > 0) this.watchers.set(sequence, watcher);
    return sequence;
  }

  /** Commits what there is room for, up to the first message that must leave in fragments; returns how many. */
  private commitBatch(lane: Lane, packed: Uint8Array, lengths: Uint32Array, first: number): number {
    if (!this.open) throw this.lost();
    const long = lengths.findIndex((length, i) => i >= first && length > this.largestSpan);
    try {
      return this.native.sendBatch(this.id, lane, packed, long < 0 ? lengths : lengths.subarray(0, long), first);
    } catch (error) {
      throw fromNative(error, this.describe());
    }
  }

  private commitLong(
    lane: Lane,
    headerLength: number,
    payload: string | Uint8Array,
    size: number,
    watcher: SendWatcher | undefined,
    attempt: number,
    counted: boolean,
  ): number {
    const { budget } = this.queue;
    if (this.long) return 0;
    if (counted) budget.force(size);
    else if (!budget.take(size)) throw this.full(size);
    let sequence = 0;
    try {
      sequence = this.native.send(this.id, lane, WATCH, attempt, headerLength, payload);
    } catch (error) {
      throw fromNative(error, this.describe());
    } finally {
      if (sequence === 0) budget.give(size);
    }
    if (sequence === 0) return 0;
    this.watchers.set(sequence, new LongMessage(size, watcher, budget));
    if (!this.native.sending(this.id)) return sequence;
    this.long = { watcher, sequence };
    return LEAVING;
  }

  private checkSize(headerLength: number, payload: string | Uint8Array | undefined): void {
    if (payload === undefined) {
      if (headerLength > this.limit) throw this.tooLarge(headerLength);
    } else if (typeof payload === 'string') {
      // UTF-8 has at most three bytes for each unit of UTF-16: most strings need no count.
      if (headerLength + payload.length * 3 <= this.limit) return;
      const size = headerLength + Buffer.byteLength(payload);
      if (size > this.limit) throw this.tooLarge(size);
    } else if (headerLength + payload.length > this.limit) {
      throw this.tooLarge(headerLength + payload.length);
    }
  }

  private tooLarge(size: number): RsmError {
    const side = this.limit === this.peer.maxMessageSize ? 'the receiver' : 'this side';
    const what = `A message of ${size} bytes is longer than ${this.limit} bytes, the maxMessageSize of ${side} (to ${this.describe()})`;
    return new RsmError('RSM_MESSAGE_TOO_LARGE', `${what}. Raise maxMessageSize on both sides or send less at once.`);
  }

  private enqueue(
    lane: Lane,
    headerLength: number,
    payload: string | Uint8Array = NOTHING,
    watcher: SendWatcher | undefined,
    attempt: number,
    front: boolean,
  ): void {
    const size = sizeOf(headerLength, payload);
    if (front) this.queue.reserveBeyond(size);
    else if (!this.queue.reserve(size)) throw this.full(size);
    const bytes = Buffer.allocUnsafe(size);
    if (headerLength > 0) this.native.header.copy(bytes, 0, 0, headerLength);
    if (typeof payload === 'string') bytes.write(payload, headerLength);
    else bytes.set(payload, headerLength);
    const message: QueuedMessage = { lane, attempt, bytes, watcher };
    if (front) this.queue.unshift(message);
    else this.queue.push(message);
  }

  private full(size: number): RsmError {
    const { budget } = this.queue;
    const option = budget.messages >= budget.maxMessages ? 'maxQueuedMessages' : 'maxQueuedBytes';
    const limit = option === 'maxQueuedMessages' ? budget.maxMessages : budget.maxBytes;
    const waiting = `${budget.messages} messages (${budget.bytes} bytes) wait already, and a message of ${size} bytes would pass ${option}`;
    const message = `The receiver is slower than this side: ${waiting} (${limit}). Await earlier sends, or raise ${option} (to ${this.describe()}).`;
    return new RsmError('RSM_BACKPRESSURE', message);
  }

  private isFlushed(): boolean {
    return this.queue.length === 0 && !this.ended && this.native.inFlight(this.id) === 0;
  }

  /** Ends every wait in flushed(). */
  private settleFlushed(error?: RsmError): void {
    clearInterval(this.flushTimer);
    this.flushTimer = undefined;
    const waiters = this.flushWaiters;
    this.flushWaiters = [];
    for (const waiter of waiters) {
      if (error) waiter.reject(error);
      else waiter.resolve();
    }
  }
}
