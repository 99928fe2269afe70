import type { RsmError } from './errors.js';
import type { Outcome } from './lanes.js';
import type { QueueBudget } from './queue-budget.js';
import type { SendWatcher } from './types.js';

/** A message longer than the largest span: native keeps it, counted here, until the receiver has released it. */
export class LongMessage implements SendWatcher {
  constructor(
    readonly size: number,
    readonly original: SendWatcher | undefined,
    private readonly budget: QueueBudget,
  ) {}

  released(outcome: Outcome): void {
    if (this.original?.watchRelease) this.original.released?.(outcome);
  }

  giveBack(): void {
    this.budget.give(this.size);
  }
}

/** Somebody waits in write(). */
export class Write implements SendWatcher {
  constructor(
    readonly committed: () => void,
    readonly failed: (error: RsmError) => void,
  ) {}
}
