import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { BenchChild } from './child-process.js';
import type { Run } from './client.js';
import type { Address, PeerName, Place } from './peers/index.js';
import type { Measures } from './workloads/workload.js';

/** A server and a client of one peer, each in a process of its own. */
export class Pair {
  private constructor(
    private readonly server: BenchChild,
    private readonly client: BenchChild,
  ) {}

  /** `folder`: the run's temporary folder; every pair gets one of its own in it. */
  static async start(peer: PeerName, folder: string, cpuProfiles?: string): Promise<Pair> {
    const pair = new Pair(new BenchChild('server', peer, cpuProfiles), new BenchChild('client', peer, cpuProfiles));
    try {
      const place: Place = { folder: mkdtempSync(join(folder, 'pair-')) };
      const address = await pair.server.call<Address>('start', place);
      await pair.client.call('start', address);
      return pair;
    } catch (error) {
      await pair.stop().catch(() => undefined);
      throw error;
    }
  }

  run(run: Run): Promise<Measures> {
    return this.client.call('run', run, run.timing.warmUp + run.timing.time);
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
