import type { BytesPayload } from '../../payloads.js';
import type { RawConnection } from '../peers/index.js';

/** What a workload over bytes is given. */
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
