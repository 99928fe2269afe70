import { BenchChild } from './child-process.js';
import type { Measurement, Measures, Place, RunningSubject, Timing } from './suite.js';

/** A server's and a client's program (JavaScript files that call serveCommands), and what they are started with. */
export interface PairPrograms {
  readonly server: URL;
  readonly client: URL;
  /** In messages to people. */
  readonly label: string;
  readonly arguments?: readonly string[];
  /** Runs both on these cores only, as taskset's -c takes them. */
  readonly cores?: string;
}

/** What a client's process is asked to run. */
export interface Run {
  readonly measurement: string;
  readonly parameter: string;
  readonly timing: Timing;
}

/**
 * A server and a client, each in a process of its own. The server's program has the commands `start` (given the Place, answers with what the
 * client must know), `usage` (CPU time used so far, µs) and CLOSE; the client's `start` (given the server's answer), `run` (given a Run,
 * answers with Measures), `open` (so many connections more) and CLOSE.
 */
export class Pair implements RunningSubject {
  private constructor(
    readonly server: BenchChild,
    readonly client: BenchChild,
  ) {}

  static async start(programs: PairPrograms, place: Place, start: unknown = place): Promise<Pair> {
    const { label, cores, arguments: args = [] } = programs;
    const child = (program: URL, role: string): BenchChild =>
      new BenchChild({ program, arguments: args, label: `${label} ${role}`, cores, cpuProfiles: place.cpuProfiles });
    const pair = new Pair(child(programs.server, 'server'), child(programs.client, 'client'));
    try {
      await pair.client.call('start', await pair.server.call('start', start));
      return pair;
    } catch (error) {
      await pair.stop().catch(() => undefined);
      throw error;
    }
  }

  measure({ name, parameter }: Measurement, timing: Timing): Promise<Measures> {
    const run: Run = { measurement: name, parameter, timing };
    return this.client.call('run', run, timing.warmUp + timing.time);
  }

  /** Opens so many connections more. */
  open(connections: number): Promise<void> {
    return this.client.call('open', connections);
  }

  /** CPU time the server has used so far, µs. */
  serverUsage(): Promise<number> {
    return this.server.call('usage');
  }

  async stop(): Promise<void> {
    try {
      await this.client.stop();
    } finally {
      await this.server.stop();
    }
  }
}
