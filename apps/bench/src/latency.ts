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

/** Round trips one after the other: the end of one is the beginning of the next. */
export class LatencyRecorder {
  private readonly histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: LONGEST, numberOfSignificantValueDigits: 3 });
  private before = 0;
  private end = 0;
  private count = 0;

  /** `time`: milliseconds to go on. */
  constructor(private readonly time: number) {}

  start(): void {
    this.before = performance.now();
    this.end = this.before + this.time;
  }

  /** A round trip has ended. False: it was the last one. */
  record(): boolean {
    const now = performance.now();
    this.histogram.recordValue(Math.min(LONGEST, Math.round((now - this.before) * 1e6)));
    this.before = now;
    return ++this.count < FEWEST || now < this.end;
  }

  measures(): Measures {
    const microseconds = (percentile: number): number => this.histogram.getValueAtPercentile(percentile) / 1_000;
    return { values: { p50: microseconds(50), p99: microseconds(99) }, messages: this.count };
  }
}

/** Runs `roundTrip` one after the other for `time` milliseconds. */
export async function latency(time: number, roundTrip: (number: number) => Promise<void>, first: number): Promise<Measures> {
  const recorder = new LatencyRecorder(time);
  recorder.start();
  let number = first;
  do await roundTrip(number++);
  while (recorder.record());
  return recorder.measures();
}
