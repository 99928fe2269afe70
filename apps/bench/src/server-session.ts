/** A server that runs in this process. */
export interface ServerSession {
  /** What a client's process must know to find it: plain JSON. */
  readonly address: unknown;
  close(): Promise<void>;
}
