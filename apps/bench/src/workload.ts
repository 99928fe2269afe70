import type { Measures, Metric } from './suite.js';

/** How something is measured by the process that sends. */
export interface Workload<Bench> {
  readonly name: string;
  readonly metrics: readonly Metric[];
  /** Measures for about `time` milliseconds; rejects where a message was lost or came back wrong. */
  run(bench: Bench): Promise<Measures>;
}

export function workloadNamed<Bench>(workloads: readonly Workload<Bench>[], name: string): Workload<Bench> {
  const workload = workloads.find((one) => one.name === name);
  if (!workload) throw new Error(`There is no workload "${name}"; there are ${workloads.map((one) => one.name).join(', ')}.`);
  return workload;
}
