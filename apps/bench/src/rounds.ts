/** How often and over what a benchmark runs. */
export interface RoundPlan<Subject, Cell, Started> {
  rounds: number;
  subjects: readonly Subject[];
  /** What is measured in each round, over every subject. */
  cells: readonly Cell[];
  /** Starts a subject afresh for one round. */
  start(subject: Subject): Promise<Started>;
  measure(started: Started, cell: Cell, subject: Subject): Promise<void>;
  stop(started: Started, subject: Subject): Promise<void>;
  /** A subject failed: it is given up, the others go on. */
  failed(subject: Subject, error: unknown): void;
}

/**
 * Paired and interleaved rounds: each cell runs over one subject right after the other, so that a slow minute of the machine meets all of
 * them. Every other round goes through the subjects backwards (A B, B A, A B …), so that none is always the first.
 */
export async function runRounds<Subject, Cell, Started>(plan: RoundPlan<Subject, Cell, Started>): Promise<void> {
  const givenUp = new Set<Subject>();
  const attempt = async (subject: Subject, step: () => Promise<void>): Promise<void> => {
    try {
      if (!givenUp.has(subject)) await step();
    } catch (error) {
      givenUp.add(subject);
      plan.failed(subject, error);
    }
  };
  for (let round = 0; round < plan.rounds; round++) {
    const order = round % 2 === 0 ? plan.subjects : [...plan.subjects].reverse();
    const started = new Map<Subject, Started>();
    for (const subject of order) await attempt(subject, async () => void started.set(subject, await plan.start(subject)));
    for (const cell of plan.cells) {
      for (const [subject, one] of started) await attempt(subject, () => plan.measure(one, cell, subject));
    }
    for (const [subject, one] of started) {
      await plan.stop(one, subject).catch((error: unknown) => {
        // What was given up fails to stop, too: its own failure is the one to tell.
        if (givenUp.has(subject)) return;
        givenUp.add(subject);
        plan.failed(subject, error);
      });
    }
  }
}
