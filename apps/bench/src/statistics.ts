import { median, quantile } from 'simple-statistics';

/** The middle of several measurements, and between what their middle half lies. */
export interface Summary {
  median: number;
  low: number;
  high: number;
}

/** Throws for no values at all. */
export function summarize(values: number[]): Summary {
  if (values.length === 0) throw new Error('There are no values to summarize.');
  return { median: median(values), low: quantile(values, 0.25), high: quantile(values, 0.75) };
}

/** Value by value: what was measured in the same round belongs together. */
export function pairedRatios(values: number[], of: number[]): number[] {
  if (values.length !== of.length) throw new Error(`${values.length} rounds cannot be paired with ${of.length}.`);
  return values.map((value, round) => value / of[round]!);
}
