import type { ClientProxy } from '@nestjs/microservices';
import type { BytesPayload, Payload } from '../payloads.js';
import type { RawConnection } from '../peers/index.js';

/** Milliseconds. */
export interface Timing {
  warmUp: number;
  time: number;
}

/** One number that a workload measures. */
export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly better: 'lower' | 'higher';
}

/** What was measured, by the metric's name, and over how many messages. */
export interface Measures {
  values: Record<string, number>;
  messages: number;
}

export interface Workload<Bench> {
  readonly name: string;
  readonly metrics: readonly Metric[];
  /** Measures for about `time` milliseconds; rejects where a message was lost or came back wrong. */
  run(bench: Bench): Promise<Measures>;
}

export interface NestBench {
  readonly client: ClientProxy;
  readonly payload: Payload;
  /** Milliseconds. */
  readonly time: number;
  /** To be awaited between batches of events. */
  room(): Promise<void> | undefined;
}

export interface RawBench {
  readonly connection: RawConnection;
  readonly payload: BytesPayload;
  /** Milliseconds. */
  readonly time: number;
  /** Sends the bytes and resolves with the number of the message that comes back. */
  answer(bytes: Buffer): Promise<number>;
  /** Resolves when the server has handled everything sent so far; rejects where that is not `sent` messages in order. */
  reached(sent: number): Promise<void>;
}
