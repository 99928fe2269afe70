import type { Layer } from '../peers/index.js';
import { events } from './events.js';
import { oneWay } from './one-way.js';
import { rawRoundTrip } from './raw-round-trip.js';
import { requests } from './requests.js';
import { roundTrip } from './round-trip.js';
import type { Metric, NestBench, RawBench, Workload } from './workload.js';

const nestWorkloads: Workload<NestBench>[] = [roundTrip, requests, events];
const rawWorkloads: Workload<RawBench>[] = [rawRoundTrip, oneWay];

/** Measured once for all peers beside each other, over whole processes: no round, no payload. */
export const IDLE = 'idle';

export const workloadNames: Record<Layer, string[]> = {
  nest: nestWorkloads.map(({ name }) => name),
  raw: rawWorkloads.map(({ name }) => name),
};

export function nestWorkload(name: string): Workload<NestBench> {
  return named(nestWorkloads, name);
}

export function rawWorkload(name: string): Workload<RawBench> {
  return named(rawWorkloads, name);
}

export function metricsOf(layer: Layer, workload: string): readonly Metric[] {
  return layer === 'nest' ? nestWorkload(workload).metrics : rawWorkload(workload).metrics;
}

function named<Bench>(workloads: Workload<Bench>[], name: string): Workload<Bench> {
  const workload = workloads.find((one) => one.name === name);
  if (!workload) throw new Error(`There is no workload "${name}"; there are ${workloads.map((one) => one.name).join(', ')}.`);
  return workload;
}
