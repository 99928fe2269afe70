import { median, quantile } from 'simple-statistics';

/** The middle of several measurements, and between what their middle half lies. */
export interface Summary {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Throws for no values at all. */
export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new Error('There are no values to summarize.');
  const sorted = [...values];
  return { median: median(sorted), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75) };
}

/** Value by value: what was measured in the same round belongs together. Rounds after one of them was given up have no partner. */
export function pairedRatios(values: readonly number[], of: readonly number[]): number[] {
  return values.slice(0, of.length).map((value, round) => value / of[round]!);
}
