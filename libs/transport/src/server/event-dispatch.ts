import { inspect } from 'node:util';
import { Outcome } from '@nestjs-rsm/segments';
import type { Observable } from 'rxjs';
import { RsmContext, type RsmContextHost } from '../context/index.js';
import { isRetriable } from '../errors.js';
import { HandlerCall } from './handler-call.js';
import type { Parked } from './handler-limit.js';
import type { RegisteredHandler, Route } from './handler-registry.js';
import type { ServerConnection } from './server-connection.js';
import type { ServerRuntime } from './server-runtime.js';

type Extras = Record<string, unknown> | undefined;

/** One event at all its handlers. It is released when the last one has said how it ended; nack outweighs failed, failed outweighs done. */
export class EventJob {
  /** Given back to its sender: those of its handlers that wait are passed over. */
  returned = false;
  private outcome: Outcome = Outcome.done;
  /** Handlers that have not said how it ended. */
  private untold = 0;
  /** Handlers that have not come to their end. */
  private live = 0;
  private released = false;
  private creditHeld = true;
  private begun = false;

  constructor(
    readonly runtime: ServerRuntime,
    readonly connection: ServerConnection,
    readonly delivery: number,
    readonly route: Route,
    readonly data: unknown,
    /** For handlers with zeroCopy; valid until the event is released. */
    readonly dataInPlace: unknown,
  ) {}

  /** `attempt` as on the wire, from 0. */
  run(attempt: number, headers: Extras, metadata: Extras): void {
    const { runtime, route } = this;
    const handlers = route.events;
    runtime.counters.events++;
    if (handlers.length === 0) {
      runtime.counters.unknownEvents++;
      runtime.peerLog.report(`There is no matching event handler defined in the remote service. Event pattern: ${route.pattern}`);
      runtime.settle(this.delivery, Outcome.failed);
      return;
    }
    runtime.enter();
    this.live = this.untold = handlers.length;
    let ready: EventRun[] | undefined;
    let first: EventRun | undefined;
    for (const handler of handlers) {
      const call = new EventRun(this, handler);
      call.context = new RsmContext(route.pattern, headers, metadata, attempt + 1, call);
      if (handler.limit !== undefined && !handler.limit.enter()) {
        handler.limit.park(call);
      } else if (first === undefined) {
        first = call;
      } else {
        (ready ??= []).push(call);
      }
    }
    if (first === undefined) {
      // It waits for its handlers, not for the server: others may come in.
      runtime.unstart(this.delivery);
      runtime.finish(this.delivery);
      this.creditHeld = false;
      return;
    }
    this.begun = true;
    first.begin();
    ready?.forEach((call) => call.begin());
  }

  /** Called before one of its handlers begins that had waited. */
  beginParked(): void {
    if (!this.begun) {
      this.begun = true;
      this.runtime.start(this.delivery);
    }
  }

  /** Gives it back to its living sender if none of its handlers has begun. */
  returnUnstarted(): void {
    if (this.begun || this.returned || this.released || !this.connection.connection.open) {
      return;
    }
    this.returned = true;
    this.released = true;
    this.runtime.counters.returnedMessages++;
    this.runtime.release(this.delivery, Outcome.returned);
    this.runtime.leave();
  }

  /** A handler said how the event ended for it. */
  tell(outcome: Outcome): void {
    if (outcome > this.outcome) {
      this.outcome = outcome;
    }
    this.untold--;
  }

  /** A handler has come to its end. */
  end(): void {
    this.live--;
  }

  /** Takes the consequences of tell() and end(). */
  flush(): void {
    const { runtime, delivery } = this;
    const release = this.untold === 0 && !this.released;
    const finish = this.live === 0 && this.creditHeld;
    if (release) {
      this.released = true;
      this.count();
    }
    if (finish) {
      this.creditHeld = false;
    }
    if (release && finish) {
      runtime.settle(delivery, this.outcome);
    } else if (release) {
      runtime.release(delivery, this.outcome);
    } else if (finish) {
      runtime.finish(delivery);
    }
    if (this.live === 0 && this.untold === 0) {
      this.live = -1; // once
      runtime.leave();
    }
  }

  private count(): void {
    if (this.outcome === Outcome.failed) {
      this.runtime.counters.failedEvents++;
    } else if (this.outcome === Outcome.nack) {
      this.runtime.counters.nackedEvents++;
    }
  }
}

/** One event at one of its handlers. */
class EventRun extends HandlerCall implements RsmContextHost, Parked {
  private told = false;
  /** Ended in mode 'manual' without an acknowledgement: it keeps its place in the server's concurrency until that comes. */
  private awaitsAck = false;

  constructor(
    private readonly job: EventJob,
    private readonly handler: RegisteredHandler,
  ) {
    super(job.runtime);
  }

  get dropped(): boolean {
    return this.job.returned || this.runtime.closed;
  }

  get ackRefusal(): string | undefined {
    return this.handler.ack === 'manual' ? undefined : `the handler's ack mode is '${this.handler.ack}'`;
  }

  startParked(): void {
    this.job.beginParked();
    this.begin();
  }

  returnUnstarted(): void {
    this.job.returnUnstarted();
  }

  begin(): void {
    if (this.handler.ack === 'on-receipt') {
      this.tell(Outcome.done);
    }
    this.call(this.handler.callback, this.handler.zeroCopy ? this.job.dataInPlace : this.job.data);
  }

  /** From the context, in mode 'manual'. */
  ack(_context: RsmContext, outcome: Outcome): void {
    this.tell(outcome);
  }

  // The observer of the handler's Observable: its values have nowhere to go.
  next(): void {}

  error(error: unknown): void {
    this.thrown(error);
  }

  complete(): void {
    this.succeeded();
  }

  protected override observe(source: Observable<unknown>): void {
    this.subscription = source.subscribe(this);
  }

  protected override succeeded(): void {
    this.awaitsAck = this.handler.ack === 'manual' && !this.told && !this.ended;
    this.close(this.awaitsAck ? undefined : Outcome.done);
  }

  protected override thrown(error: unknown): void {
    const { runtime, route } = this.job;
    const retriable = isRetriable(error);
    // In mode 'on-receipt' it has been told; in mode 'manual' a handler that fails without an acknowledgement is nacked.
    const again = !this.told && (retriable || this.handler.ack === 'manual');
    if (again) {
      runtime.logger.warn(`An event handler of '${route.pattern}' failed; the event goes back to be delivered again: ${describe(error)}`);
    } else {
      runtime.logger.error(`An event handler of '${route.pattern}' failed: ${describe(error)}`, stackOf(error));
    }
    const delay = again && retriable ? error.delay : undefined;
    if (delay !== undefined && delay > 0 && !runtime.draining) {
      this.tellLater(delay);
    } else {
      this.close(again ? Outcome.nack : Outcome.failed);
    }
  }

  private tell(outcome: Outcome): void {
    if (!this.told) {
      this.told = true;
      this.job.tell(outcome);
      if (this.awaitsAck) {
        this.job.end();
      }
      this.job.flush();
    }
  }

  /** The handler has come to its end; `outcome` counts unless it has told one before. */
  private close(outcome: Outcome | undefined): void {
    if (this.ended) {
      return;
    }
    this.ended = true;
    this.runEndHook();
    if (outcome !== undefined && !this.told) {
      this.told = true;
      this.job.tell(outcome);
    }
    if (!this.awaitsAck) {
      this.job.end();
      this.job.flush();
    }
    this.handler.limit?.leave();
  }

  /** The release is what makes the sender deliver again, so a delay is waited for here. */
  private tellLater(delay: number): void {
    const { delayed } = this.runtime;
    const now = (): void => {
      clearTimeout(timer);
      delayed.delete(now);
      this.tell(Outcome.nack);
    };
    const timer = setTimeout(now, delay);
    delayed.add(now);
    this.close(undefined);
  }
}

function describe(error: unknown): string {
  const message = (error as { message?: unknown } | null | undefined)?.message ?? error;
  return typeof message === 'string' ? message : inspect(message, { depth: 2, breakLength: Infinity });
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
