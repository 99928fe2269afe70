import type { PeerName } from './peers/index.js';
import type { ResultRow } from './results.js';

/** What the ratio of two peers should be. Information: whether it is reached decides nothing. */
export interface Goal {
  workload: string;
  payload: string;
  metric: string;
  peer: PeerName;
  to: PeerName;
  bound: 'at most' | 'at least';
  ratio: number;
}

const GOALS: Goal[] = [
  { workload: 'round-trip', payload: '64B', metric: 'p50', peer: 'rsm', to: 'tcp', bound: 'at most', ratio: 0.3 },
  { workload: 'events', payload: '64B', metric: 'rate', peer: 'rsm', to: 'tcp', bound: 'at least', ratio: 2 },
];

export function goalFor(row: ResultRow, to: PeerName): Goal | undefined {
  return GOALS.find(
    (goal) =>
      row.layer === 'nest' &&
      goal.workload === row.workload &&
      goal.payload === row.payload &&
      goal.metric === row.metric.name &&
      goal.peer === row.peer &&
      goal.to === to,
  );
}

export function isMet(goal: Goal, ratio: number): boolean {
  return goal.bound === 'at most' ? ratio <= goal.ratio : ratio >= goal.ratio;
}
