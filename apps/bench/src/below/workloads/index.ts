import type { Workload } from '../../workload.js';
import type { RawBench } from './bench.js';
import { intoFresh, intoReused, oneWay, oneWayBatch } from './one-way.js';
import { rawRoundTrip } from './round-trip.js';

export const rawWorkloads: readonly Workload<RawBench>[] = [rawRoundTrip, oneWay, oneWayBatch, intoReused, intoFresh];
export type { RawBench } from './bench.js';
