import { inspect } from 'node:util';
import { Outcome, RsmError } from '@nestjs-rsm/segments';
import type { Observable } from 'rxjs';
import { takeWhile } from 'rxjs';
import { RsmContext, type RsmContextHost } from '../context/index.js';
import { monotonicMilliseconds, ReplyFlag } from '../frame/index.js';
import { HandlerCall } from './handler-call.js';
import type { Parked } from './handler-limit.js';
import type { RegisteredHandler, Route } from './handler-registry.js';
import type { ServerConnection } from './server-connection.js';
import type { ServerRuntime } from './server-runtime.js';

/** Nest's words for a request that nobody answers. */
export const NO_MESSAGE_HANDLER = 'There is no matching message handler defined in the remote service.';
const ACK_REFUSAL = 'it is a request';
const LONGEST_TIMER = 2 ** 31 - 1;
/** Milliseconds by which timers may come early. */
const CLOCK_SLACK = 2;
const CANCELLED = new RsmError('RSM_CONNECTION_LOST', 'The client cancelled the request.');

/** One request: its handler's call, its replies, and what can end it early. */
export class RequestRun extends HandlerCall implements RsmContextHost, Parked {
  readonly ackRefusal = ACK_REFUSAL;
  /** Nothing more is replied. */
  private over = false;
  private creditHeld = true;
  /** It has a place of its handler's limit. */
  private placeTaken = false;
  /** It waits for one. */
  private parked = false;
  /** The last frame of an idempotent request is still in the queue, or the error of one whose replies exceed it has found no room. */
  private awaitsCommit = false;
  private timer: NodeJS.Timeout | undefined;
  /** The last value of the Observable is held until the tick ends, so that it can share a frame with the completion. */
  private holds = false;
  private held: unknown;
  private flushScheduled = false;
  private handler: RegisteredHandler | undefined;

  constructor(
    runtime: ServerRuntime,
    private readonly connection: ServerConnection,
    private readonly delivery: number,
    private readonly id: number,
    private readonly idempotent: boolean,
    private readonly deadline: number,
    private readonly data: unknown,
    /** The data are the partitions themselves: they are released when the handler has ended. */
    private readonly inPlace: boolean,
  ) {
    super(runtime);
  }

  /** Cancelled while it waited for its handler. */
  get dropped(): boolean {
    return this.ended;
  }

  /** Its partitions stay the server's until it has been answered, or its handler has ended. */
  private get releasedLate(): boolean {
    return this.idempotent || this.inPlace;
  }

  /** Its handler may be looking at its partitions. */
  private get reading(): boolean {
    return this.inPlace && this.invoked && !this.ended;
  }

  /** `attempt` as on the wire, from 0. */
  run(route: Route, attempt: number, headers: Record<string, unknown> | undefined, metadata: Record<string, unknown> | undefined): void {
    const { runtime, delivery } = this;
    runtime.counters.requests++;
    runtime.enter();
    this.connection.requests.set(this.id, this);
    if (!this.releasedLate) {
      // Its payload is copied: the partitions are free for what its handler may want to ask of this very service.
      runtime.release(delivery, Outcome.done);
    }
    const handler = route.request;
    if (handler === undefined) {
      runtime.counters.unknownRequests++;
      this.fail(NO_MESSAGE_HANDLER);
      return;
    }
    this.handler = handler;
    this.context = new RsmContext(route.pattern, headers, metadata, attempt + 1, this);
    if (handler.limit === undefined) {
      this.begin();
    } else if (handler.limit.enter()) {
      this.placeTaken = true;
      this.begin();
    } else {
      this.parked = true;
      handler.limit.park(this);
      if (this.deadline > 0) {
        this.armTimer();
      }
    }
  }

  startParked(): void {
    this.parked = false;
    this.placeTaken = true;
    this.begin();
  }

  /** Its client has been told that it arrived: it runs. */
  returnUnstarted(): void {}

  /** Contexts of requests refuse acknowledgements. */
  ack(): void {}

  /** A cancel frame came. That of a client whose time ran out may come before the timer here fires. */
  cancelByClient(): void {
    const timedOut = this.deadline > 0 && monotonicMilliseconds() >= this.deadline - CLOCK_SLACK;
    this.cancel(timedOut ? this.timeoutError() : CANCELLED, false);
  }

  /** The client does not want the reply any more. `gone`: it cannot get it either, so its credit means nothing. */
  cancel(reason: RsmError, gone: boolean): void {
    if (this.over) {
      if (gone && !this.reading) {
        this.giveBack();
      }
      return;
    }
    this.over = true;
    this.runtime.counters.cancelledRequests++;
    this.forget();
    this.context?.markAborted(reason);
    const { subscription } = this;
    if (subscription !== undefined) {
      subscription.unsubscribe();
      this.end();
    } else if (!this.invoked) {
      this.end(); // it waits for its handler or its start hook, and will not be called
    } else if (gone && !this.reading) {
      this.giveBack();
    } else {
      this.connection.lingering.add(this); // the handler's promise is awaited: until then it counts among the running
    }
  }

  // The observer of the handler's Observable.
  next(value: unknown): void {
    if (this.over) {
      return;
    }
    if (this.holds) {
      this.replyHeld(0);
    }
    if (this.over) {
      return; // no room for it
    }
    this.holds = true;
    this.held = value;
    if (!this.flushScheduled) {
      this.flushScheduled = true;
      process.nextTick(flushHeld, this);
    }
  }

  error(error: unknown): void {
    if (!this.over) {
      if (this.holds) {
        this.replyHeld(0);
      }
      this.fail(error);
    }
    this.end();
  }

  complete(): void {
    if (!this.over) {
      if (this.holds) {
        this.replyHeld(ReplyFlag.last);
      } else {
        this.reply(ReplyFlag.last, false, undefined);
      }
    }
    this.end();
  }

  /** The tick in which a value came is over. */
  flushAfterTick(): void {
    this.flushScheduled = false;
    if (this.holds && !this.over) {
      this.replyHeld(0);
    }
  }

  protected override observe(source: Observable<unknown>): void {
    if (this.over) {
      this.end();
      return;
    }
    // takeWhile also ends a synchronous source, of which there is no subscription yet.
    const subscription = source.pipe(takeWhile(() => !this.over)).subscribe(this);
    this.subscription = subscription;
    if (this.over) {
      subscription.unsubscribe();
      this.end();
    }
  }

  protected override succeeded(value: unknown): void {
    if (!this.over) {
      this.reply(value === undefined ? ReplyFlag.last : ReplyFlag.last | ReplyFlag.response, value !== undefined, value);
    }
    this.end();
  }

  protected override thrown(error: unknown): void {
    if (!this.over) {
      this.fail(error);
    }
    this.end();
  }

  private begin(): void {
    if (this.deadline > 0) {
      if (this.deadline <= monotonicMilliseconds()) {
        this.expire();
        return;
      }
      this.armTimer();
    }
    this.call(this.handler!.callback, this.data);
  }

  private armTimer(): void {
    if (this.timer === undefined) {
      const left = Math.ceil(this.deadline - monotonicMilliseconds());
      this.timer = setTimeout(() => this.expire(), Math.min(Math.max(left, 0), LONGEST_TIMER));
    }
  }

  private expire(): void {
    // No reply: its client has the same deadline and ends the request itself, so it sees one error, whichever clock is first.
    this.cancel(this.timeoutError(), false);
  }

  private timeoutError(): RsmError {
    return new RsmError('RSM_TIMEOUT', `The request '${this.context.getPattern()}' was not answered before its deadline.`);
  }

  private replyHeld(flags: number): void {
    const value = this.held;
    this.holds = false;
    this.held = undefined;
    // As in Nest, `undefined` is a value of its own but in the last frame.
    const has = value !== undefined || flags === 0;
    this.reply(has ? flags | ReplyFlag.response : flags, has, value);
  }

  /** Sends a frame, or fails the request if that cannot be done. */
  private reply(flags: number, hasValue: boolean, value: unknown): void {
    const last = (flags & ReplyFlag.last) !== 0;
    if (last) {
      this.over = true;
    }
    const error = this.send(flags, hasValue, value);
    if (error === undefined) {
      if (last) {
        this.forget();
      }
      return;
    }
    this.over = true;
    this.forget();
    if (isBackpressure(error)) {
      this.failOverflowing();
      this.runtime.peerLog.report(`A request '${this.context?.getPattern()}' failed: its replies exceed maxQueuedBytes.`);
    } else {
      this.runtime.peerLog.report(`A reply to '${this.context?.getPattern()}' cannot be sent: ${messageOf(error)}`);
      this.sendFailure({
        status: 'error',
        code: (error as { code?: unknown }).code,
        message: `The reply cannot be sent: ${messageOf(error)}`,
      });
    }
    this.stop();
  }

  /** Ends the request with an error, as the handler gave it. */
  private fail(error: unknown): void {
    this.over = true;
    this.forget();
    this.sendFailure(error);
    if (this.handler === undefined) {
      this.end();
    }
  }

  private sendFailure(error: unknown): void {
    const flags = ReplyFlag.error | ReplyFlag.last;
    let fault = this.send(flags, true, error);
    if (fault !== undefined && !isBackpressure(fault)) {
      this.runtime.peerLog.report(`The error of a request cannot be sent: ${messageOf(fault)}`);
      fault = this.send(flags, true, { status: 'error', message: 'Internal server error' });
    }
    if (fault !== undefined) {
      this.failOverflowing();
    }
  }

  /** It keeps its place among `maxRequests` until its client has been told. */
  private failOverflowing(): void {
    this.awaitsCommit = true;
    this.connection.replies.failOverflowing(this.id, () => {
      this.awaitsCommit = false;
      if (this.ended) {
        this.giveBack();
      }
    });
  }

  /** Returns what stood in the way, if anything did. */
  private send(flags: number, hasValue: boolean, value: unknown): unknown {
    const last = (flags & ReplyFlag.last) !== 0;
    const { serializer } = this.runtime;
    // The last frame of an idempotent request must be safe with its client before the request is released.
    const committed = last && this.idempotent ? () => this.giveBack() : undefined;
    try {
      const result =
        serializer === undefined
          ? this.connection.replies.send(this.id, flags, hasValue, value, committed)
          : this.connection.replies.send(
              this.id,
              (flags & ReplyFlag.last) | ReplyFlag.serialized,
              true,
              serializer.serialize(this.packet(flags, value)),
              committed,
            );
      if (last && this.idempotent) {
        this.awaitsCommit = result === 'queued';
      }
      return undefined;
    } catch (error) {
      return error ?? new Error('unknown');
    }
  }

  /** What Nest's serializer is given for a frame. */
  private packet(flags: number, value: unknown): Record<string, unknown> {
    const packet: Record<string, unknown> = {};
    if ((flags & ReplyFlag.error) !== 0) {
      packet['err'] = value;
    } else if ((flags & ReplyFlag.response) !== 0) {
      packet['response'] = value;
    }
    if ((flags & ReplyFlag.last) !== 0) {
      packet['isDisposed'] = true;
    }
    packet['id'] = String(this.id);
    return packet;
  }

  /** Ends the handler's work from here. */
  private stop(): void {
    this.context?.markAborted(new RsmError('RSM_BACKPRESSURE', 'The request failed: its replies cannot be sent.'));
    if (this.subscription !== undefined) {
      this.subscription.unsubscribe();
      this.end();
    }
  }

  /** Its id is free again. */
  private forget(): void {
    if (this.connection.requests.get(this.id) === this) {
      this.connection.requests.delete(this.id);
    }
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** The handler has come to its end. */
  private end(): void {
    if (this.ended) {
      return;
    }
    this.ended = true;
    this.holds = false;
    this.held = undefined;
    this.forget();
    if (this.invoked) {
      this.runEndHook();
    }
    if (this.placeTaken) {
      this.placeTaken = false;
      this.handler?.limit?.leave();
    } else if (this.parked) {
      this.parked = false;
      this.handler?.limit?.forgetDropped();
    }
    if (this.awaitsCommit) {
      this.connection.lingering.add(this);
    } else {
      this.giveBack();
    }
    this.runtime.leave();
  }

  private giveBack(): void {
    this.awaitsCommit = false;
    this.connection.lingering.delete(this);
    if (this.creditHeld) {
      this.creditHeld = false;
      if (this.releasedLate) {
        this.runtime.settle(this.delivery, Outcome.done);
      } else {
        this.runtime.finish(this.delivery);
      }
    }
  }
}

function flushHeld(run: RequestRun): void {
  run.flushAfterTick();
}

function isBackpressure(error: unknown): boolean {
  return RsmError.is(error) && error.code === 'RSM_BACKPRESSURE';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : inspect(error, { depth: 1, breakLength: Infinity });
}
