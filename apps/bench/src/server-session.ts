import type { Address } from './peers/index.js';

/** A server that runs in this process. */
export interface ServerSession {
  readonly address: Address;
  close(): Promise<void>;
}
