import type { Metric } from './suite.js';

export interface RowKey {
  readonly suite: string;
  readonly measurement: string;
  readonly parameter: string;
  readonly subject: string;
}

/** One metric of one measurement and subject; a value for each round. */
export interface ResultRow extends RowKey {
  readonly metric: Metric;
  /** By round. A subject that failed has fewer than the others: it is not started again. */
  readonly values: number[];
  /** Messages measured in each round. */
  readonly messages: number[];
}

/** A subject that was left out, or given up. */
export interface Absence {
  readonly suite: string;
  readonly subject: string;
  readonly reason: string;
  /** It started or should have: the run has failed. false: it cannot run on this machine. */
  readonly failed: boolean;
}

/** All that was measured, in the order in which it came. */
export class Results {
  readonly absences: Absence[] = [];

  constructor(readonly rows: ResultRow[] = []) {}

  add(key: RowKey, metric: Metric, value: number, messages: number): void {
    let row = this.find({ ...key, metric: metric.name });
    if (!row) this.rows.push((row = { ...key, metric, values: [], messages: [] }));
    row.values.push(value);
    row.messages.push(messages);
  }

  find(key: RowKey & { readonly metric: string }): ResultRow | undefined {
    return this.rows.find(
      (row) =>
        row.suite === key.suite &&
        row.measurement === key.measurement &&
        row.parameter === key.parameter &&
        row.subject === key.subject &&
        row.metric.name === key.metric,
    );
  }
}
