import type { LoggerService } from '@nestjs/common';
import type { RsmClientCounters } from './client-counters.js';
import type { EmitObserver, EmitResult } from './emit-result.js';

/** Milliseconds between two log lines about failed events. */
const LOG_INTERVAL = 1_000;

/** Reports events that failed and that nobody awaits: each to `emitError`, in the log one line a second. */
export class FailureReporter implements EmitObserver {
  /** Events whose confirmation is awaited. */
  readonly unconfirmed = new Set<EmitResult>();
  private failures: EmitResult[] = [];
  private unlogged = 0;
  private loggedAt = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private last: EmitResult | undefined;

  constructor(
    private readonly logger: LoggerService,
    private readonly counters: RsmClientCounters,
    private readonly emitError: (error: unknown, pattern: string) => void,
  ) {}

  failed(result: EmitResult): void {
    this.counters.failedEvents++;
    // Whoever awaits an emit subscribes in the same turn of the loop.
    if (!result.observed && this.failures.push(result) === 1) {
      setImmediate(() => this.check());
    }
  }

  confirmed(result: EmitResult): void {
    this.unconfirmed.delete(result);
  }

  private check(): void {
    const failures = this.failures;
    this.failures = [];
    for (const result of failures) {
      if (!result.observed) {
        this.counters.unobservedFailures++;
        this.unlogged++;
        this.last = result;
        this.emitError(result.reason, result.pattern);
      }
    }
    if (this.unlogged > 0 && this.timer === undefined) {
      const left = this.loggedAt + LOG_INTERVAL - performance.now();
      if (left <= 0) {
        this.log();
      } else {
        this.timer = setTimeout(() => this.log(), left);
        this.timer.unref();
      }
    }
  }

  private log(): void {
    this.timer = undefined;
    const { reason, pattern } = this.last!;
    const more = this.unlogged > 1 ? ` (and ${this.unlogged - 1} more before it)` : '';
    this.logger.error(
      `An event '${pattern}' that nobody awaits failed${more}: ${reason instanceof Error ? reason.message : String(reason)}`,
    );
    this.unlogged = 0;
    this.loggedAt = performance.now();
  }
}
