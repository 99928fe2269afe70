import { Outcome } from '@nestjs-rsm/segments';
import type { EmitResult } from './emit-result.js';
import type { TrackedMessage } from './held-message.js';

/** One event on its way to several instances: it is done when each copy is committed (with `confirm`: handled), lost copies aside. */
export class Broadcast {
  private open: number;
  private reached = 0;
  private error: unknown;

  constructor(
    readonly result: EmitResult,
    copies: number,
  ) {
    this.open = copies;
  }

  /** A copy has come as far as the result waits for. */
  arrived(): void {
    this.reached++;
    this.close();
  }

  /** A copy was lost with its instance: the others count. */
  lost(): void {
    this.close();
  }

  /** A copy failed, and with it the whole. */
  failed(error: unknown): void {
    this.error ??= error ?? new Error('unknown');
    this.close();
  }

  private close(): void {
    if (--this.open > 0) {
      return;
    }
    if (this.error !== undefined) {
      this.result.failed(this.error);
    } else if (this.reached === 0) {
      this.result.failed(new Error(`The event '${this.result.pattern}' reached no instance: all that were live at the call were lost.`));
    } else {
      this.result.succeed();
    }
  }
}

/** One copy of a broadcast event. */
export class BroadcastCopy implements TrackedMessage {
  /** What is known of a copy must be known when it comes back. */
  readonly watchRelease = true;
  private over = false;

  constructor(private readonly broadcast: Broadcast) {}

  committed(): void {
    if (!this.broadcast.result.confirm) {
      this.end(() => this.broadcast.arrived());
    }
  }

  released(outcome: Outcome): void {
    if (outcome === Outcome.done) {
      this.end(() => this.broadcast.arrived());
    } else if (outcome === Outcome.failed) {
      this.failed(
        new Error(
          `The event '${this.broadcast.result.pattern}' was received, but a handler failed or there is none; the log of the service says why.`,
        ),
      );
    }
  }

  failed(error: unknown): void {
    this.end(() => this.broadcast.failed(error));
  }

  lost(): void {
    this.end(() => this.broadcast.lost());
  }

  private end(report: () => void): void {
    if (!this.over) {
      this.over = true;
      report();
    }
  }
}
