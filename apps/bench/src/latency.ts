import { build } from 'hdr-histogram-js';
import type { Measures, Metric } from './suite.js';

/** Nanoseconds; a longer round trip counts as this one. */
const LONGEST = 60e9;
/** Round trips at least, however long they take. */
const FEWEST = 3;

export const latencyMetrics: readonly Metric[] = [
  { name: 'p50', unit: 'µs', better: 'lower' },
  { name: 'p99', unit: 'µs', better: 'lower' },
];

/** Runs `roundTrip` one after the other for `time` milliseconds. */
export async function latency(time: number, roundTrip: (number: number) => Promise<void>, first: number): Promise<Measures> {
  const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: LONGEST, numberOfSignificantValueDigits: 3 });
  const end = performance.now() + time;
  let number = first;
  for (let before = performance.now(); before < end || number - first < FEWEST; before = performance.now()) {
    await roundTrip(number++);
    histogram.recordValue(Math.min(LONGEST, Math.round((performance.now() - before) * 1e6)));
  }
  const microseconds = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 1_000;
  return { values: { p50: microseconds(50), p99: microseconds(99) }, messages: number - first };
}
