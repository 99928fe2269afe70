import type { Payload } from '../../payloads.js';
import type { BenchClient } from '../peers/index.js';

/** What a workload over Nest is given. */
export interface NestBench {
  readonly client: BenchClient;
  readonly payload: Payload;
  /** Milliseconds. */
  readonly time: number;
  /** To be awaited between batches of events. */
  room(): Promise<void> | undefined;
}
