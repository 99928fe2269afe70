import type { Layer, PeerName } from './peers/index.js';
import type { Metric } from './workloads/workload.js';

/** One metric of one workload, payload and peer; a value for each round. */
export interface ResultRow {
  layer: Layer;
  workload: string;
  /** Absent where a workload has none. */
  payload?: string;
  peer: PeerName;
  metric: Metric;
  values: number[];
  /** Messages measured in each round. */
  messages: number[];
}

/** All that was measured, in the order in which it came. */
export class Results {
  readonly rows: ResultRow[] = [];

  add(key: Omit<ResultRow, 'values' | 'messages'>, value: number, messages: number): void {
    let row = this.find(key.layer, key.workload, key.payload, key.metric.name, key.peer);
    if (!row) this.rows.push((row = { ...key, values: [], messages: [] }));
    row.values.push(value);
    row.messages.push(messages);
  }

  find(layer: Layer, workload: string, payload: string | undefined, metric: string, peer: PeerName): ResultRow | undefined {
    return this.rows.find(
      (row) =>
        row.layer === layer && row.workload === workload && row.payload === payload && row.metric.name === metric && row.peer === peer,
    );
  }
}
