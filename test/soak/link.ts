/** What passes between the director and a process of the soak, over the IPC channel. SIGTERM ends a process in order. */
import type { RsmClientOptions, RsmServerOptions } from 'nestjs-rsm';

export type ToProcess = { kind: 'finish' } | { kind: 'state' };
/** `finished`: a client sends nothing more, and everything it sent has come to its end. `state`: see `ProcessState`. */
export type ToDirector = { kind: 'ready' } | { kind: 'finished' } | { kind: 'state'; state: ProcessState };

export interface ProcessState {
  connections: number;
  /** Mappings of memfds. */
  regions: number;
  /** Numbers of what has not come to its end; the first ones. */
  pending: string[];
}

export interface ServerSettings {
  name: string;
  journal: string;
  options: RsmServerOptions;
}

export interface ClientSettings {
  name: string;
  journal: string;
  seed: number;
  options: RsmClientOptions;
  /** Milliseconds between two turns, on average. */
  pace: number;
  /** Now and then more is emitted at once than the client may queue. */
  floods: boolean;
}

/** The settings the director gave to this process. */
export function settings<T>(): T {
  return JSON.parse(process.argv[2]!) as T;
}

export function tell(message: ToDirector): void {
  process.send?.(message);
}

/** Listens to the director; without one the process ends. */
export function listen(heard: (message: ToProcess) => void): void {
  process.on('message', heard);
  process.on('disconnect', orphaned);
}

/** Nothing is left to do: the process must end by itself now. */
export function leave(): void {
  process.off('disconnect', orphaned);
  process.disconnect();
}

function orphaned(): void {
  process.exit(1);
}
