import type { Workload } from '../../workload.js';
import type { NestBench } from './bench.js';
import { events } from './events.js';
import { requests } from './requests.js';
import { roundTrip } from './round-trip.js';

export const nestWorkloads: readonly Workload<NestBench>[] = [roundTrip, requests, events];
export type { NestBench } from './bench.js';
