import type { ResultRow, Results } from './results.js';
import { summarize, type Summary } from './statistics.js';

/** One row of a suite's results. */
export interface Term {
  readonly subject: string;
  readonly measurement: string;
  readonly parameter: string;
  readonly metric: string;
}

/** What a measured value, or its ratio to another of the same round, should be. Information: whether it is reached decides nothing. */
export interface Goal {
  readonly title: string;
  readonly of: Term;
  /** Compared with this; of several, with the worse one of each round. Absent: the value itself counts. */
  readonly to?: readonly Term[];
  readonly bound: 'at most' | 'at least';
  readonly value: number;
}

export interface GoalResult {
  readonly goal: Goal;
  /** Of the ratios (or values) of all rounds. */
  readonly measured: Summary;
  /** Of a value that is no ratio. */
  readonly unit?: string;
  readonly met: boolean;
}

/** undefined: a row it needs was not measured. */
export function judge(goal: Goal, results: Results, suite: string): GoalResult | undefined {
  const find = (term: Term): ResultRow | undefined => results.find({ suite, ...term });
  const row = find(goal.of);
  const others = (goal.to ?? []).map(find);
  if (!row || others.some((other) => !other)) return undefined;
  const rounds = Math.min(...[row, ...(others as ResultRow[])].map(({ values }) => values.length));
  const measured = summarize(
    row.values.slice(0, rounds).map((value, round) => (others.length === 0 ? value : value / worst(others as ResultRow[], round))),
  );
  return { goal, measured, unit: goal.to ? undefined : row.metric.unit, met: isMet(goal, measured.median) };
}

function worst(rows: ResultRow[], round: number): number {
  const values = rows.map((row) => row.values[round]!);
  return rows[0]!.metric.better === 'higher' ? Math.min(...values) : Math.max(...values);
}

export function isMet({ bound, value }: Goal, measured: number): boolean {
  return bound === 'at most' ? measured <= value : measured >= value;
}
