import type { ClientProxy } from '@nestjs/microservices';
import type { Payload } from '../../payloads.js';

/** What a workload over Nest is given. */
export interface NestBench {
  readonly client: ClientProxy;
  readonly payload: Payload;
  /** Milliseconds. */
  readonly time: number;
  /** To be awaited between batches of events. */
  room(): Promise<void> | undefined;
}
