import type { Workload } from '../../workload.js';
import type { RawBench } from './bench.js';
import { filled, intoFresh, intoReused, oneWay, oneWayBatch } from './one-way.js';
import { rawRoundTrip } from './round-trip.js';

export const rawWorkloads: readonly Workload<RawBench>[] = [rawRoundTrip, oneWay, oneWayBatch, intoReused, intoFresh, filled];
export type { RawBench } from './bench.js';
