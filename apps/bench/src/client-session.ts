import type { Measures, Timing } from './suite.js';

/** A client that runs in this process, connected to a server in another. */
export interface ClientSession {
  /** Warms up, measures; rejects where a message was lost or came back wrong. */
  run(workload: string, payload: string, timing: Timing): Promise<Measures>;
  /** Opens so many more connections, each used once. */
  open(connections: number): Promise<void>;
  close(): Promise<void>;
}
