import type { ResultRow, Results } from '../results.js';
import { summarize, type Summary } from '../statistics.js';
import type { Table } from '../table.js';

/** One thing that both builds did. */
export interface Comparison {
  readonly what: string;
  /** What the branch needs of what the base needs, in each round: 1.1 is a tenth more. */
  readonly cost: Summary;
  readonly verdict: 'slower' | 'faster' | 'same';
}

/**
 * `threshold`: part beyond which a change counts, 0.1 is a tenth. A change counts where the median passes it and three quarters of the rounds
 * agree that there is one: on a busy machine a median alone passes it by chance.
 */
export function judgeCost(what: string, costs: readonly number[], threshold: number): Comparison {
  const cost = summarize(costs);
  const slower = cost.median > 1 + threshold && cost.low > 1;
  const faster = cost.median < 1 / (1 + threshold) && cost.high < 1;
  return { what, cost, verdict: slower ? 'slower' : faster ? 'faster' : 'same' };
}

/** Compares what subject `branch` measured with what subject `base` did in the same rounds. */
export function compareRows(results: Results, base: string, branch: string, threshold: number, ignored: readonly string[]): Comparison[] {
  const rows = results.rows.filter(({ subject, metric }) => subject === branch && !ignored.includes(metric.name));
  return rows.flatMap((row) => {
    const other = results.find({ ...row, subject: base, metric: row.metric.name });
    if (!other) return [];
    const costs = costsOf(row, other);
    return [judgeCost(`${row.suite}: ${row.measurement} ${row.parameter}, ${row.metric.name}`, costs, threshold)];
  });
}

function costsOf(row: ResultRow, other: ResultRow): number[] {
  const rounds = Math.min(row.values.length, other.values.length);
  const { better } = row.metric;
  return Array.from({ length: rounds }, (_, round) =>
    better === 'lower' ? row.values[round]! / other.values[round]! : other.values[round]! / row.values[round]!,
  );
}

export function verdictTable(comparisons: readonly Comparison[]): Table {
  return {
    head: ['', 'cost, of the base', ''],
    leftColumns: 1,
    rows: comparisons.map(({ what, cost, verdict }) => [
      what,
      cost.low === cost.high ? cost.median.toFixed(4) : `${cost.median.toFixed(2)} (${cost.low.toFixed(2)}–${cost.high.toFixed(2)})`,
      verdict === 'slower' ? 'SLOWER' : verdict === 'faster' ? 'faster' : '',
    ]),
  };
}
