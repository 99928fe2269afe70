/**
 * The frame: a suite measures several subjects, each in processes of its own, in the same rounds, so that they can be compared. Every suite is
 * listed in suites.ts; what it takes to add one is in README.md.
 */
import type { Goal } from './goals.js';

/** Milliseconds. */
export interface Timing {
  readonly warmUp: number;
  readonly time: number;
}

/** One number that is measured. */
export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly better: 'lower' | 'higher';
}

/** What was measured, by the metric's name (a subject may leave out some), and over how many messages. */
export interface Measures {
  values: Record<string, number>;
  messages: number;
}

/** What is measured over each subject, one right after the other. */
export interface Measurement {
  /** What `--only` takes: 'round-trip', 'events' … */
  readonly name: string;
  /** At what: a payload's name, a number of connections … What `--at` takes. */
  readonly parameter: string;
  readonly metrics: readonly Metric[];
  /** Part of the quick form. */
  readonly quick?: boolean;
}

/** Where a subject may put its files. */
export interface Place {
  /** An empty folder for one start; removed at the end of the run. */
  readonly folder: string;
  /** Where CPU profiles shall be written, if anywhere. */
  readonly cpuProfiles?: string;
}

/** A subject that has started, for one round. */
export interface RunningSubject {
  /** Warms up, then measures for about `timing.time`. Rejects where a message was lost, torn or answered wrongly. */
  measure(measurement: Measurement, timing: Timing): Promise<Measures>;
  /** Ends every process that start() began. */
  stop(): Promise<void>;
}

/** Something that is measured beside others: a transport, a limit, a variant. */
export interface Subject {
  /** One word, the head of its column and what `--peers` takes. */
  readonly name: string;
  /** Part of the quick form. */
  readonly quick?: boolean;
  /** Why it cannot run on this machine; undefined where it can. */
  unavailable?(): Promise<string | undefined>;
  /** false: this measurement leaves it out. Without this: it takes part in all. */
  measures?(measurement: Measurement): boolean;
  /** Starts its processes, for one round; other subjects run (idle) beside them. */
  start(place: Place): Promise<RunningSubject>;
  /** Called once, after the last round: ends what start() kept for the next rounds. */
  close?(): Promise<void>;
}

/** A table of the report: some subjects, over the same measurements. */
export interface Suite {
  /** One word, what `--suite` takes. */
  readonly name: string;
  /** Above its table. */
  readonly title: string;
  /** What Measurement.parameter is: 'payload', 'connections' … */
  readonly parameter: string;
  readonly subjects: readonly Subject[];
  readonly measurements: readonly Measurement[];
  /** The subject that the table compares the others with. */
  readonly reference?: string;
  readonly goals?: readonly Goal[];
  /** At most so many rounds, where a measurement takes long. */
  readonly rounds?: number;
  /** Beneath its table: what a reader must know of how it was measured. */
  readonly note?: string;
}
