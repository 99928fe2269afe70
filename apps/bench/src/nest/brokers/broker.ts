/** A server of another project, between our server and our client. */
export interface Broker {
  /** The program that must be installed. */
  readonly program: string;
  /** Debian's package that has it. */
  readonly debian: string;
  /** Serves 127.0.0.1:`port` with its files in `folder`. Resolves when it does. */
  start(folder: string, port: number): Promise<RunningBroker>;
}

export interface RunningBroker {
  stop(): Promise<void>;
}
