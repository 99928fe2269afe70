import type { Workload } from '../../workload.js';
import type { RawBench } from './bench.js';
import { oneWay } from './one-way.js';
import { rawRoundTrip } from './round-trip.js';

export const rawWorkloads: readonly Workload<RawBench>[] = [rawRoundTrip, oneWay];
export type { RawBench } from './bench.js';
