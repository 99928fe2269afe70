import type { BytesPayload } from '../../payloads.js';
import type { RawConnection } from '../peers/index.js';

/** What a workload over bytes is given. */
export interface RawBench {
  readonly connection: RawConnection;
  readonly payload: BytesPayload;
  /** Milliseconds. */
  readonly time: number;
  /** What comes back from now on, one by one: the number of each message, NaN where any of its bytes has changed. */
  onEcho(take: (number: number) => void): void;
  /** Resolves when the server has handled everything sent so far; rejects where that is not `sent` messages in order. */
  reached(sent: number): Promise<void>;
}
