import { BenchChild } from './child-process.js';
import type { Run } from './pair.js';
import type { Measurement, Measures, Place, RunningSubject, Timing } from './suite.js';

/** One process that is a subject by itself. Its program calls serveClient; `start` is given the Place. */
export class Single implements RunningSubject {
  private constructor(private readonly child: BenchChild) {}

  static async start(program: URL, label: string, place: Place, args: readonly string[] = []): Promise<Single> {
    const child = new BenchChild({ program, label, arguments: args, cpuProfiles: place.cpuProfiles });
    try {
      await child.call('start', place);
      return new Single(child);
    } catch (error) {
      await child.stop().catch(() => undefined);
      throw error;
    }
  }

  measure({ name, parameter }: Measurement, timing: Timing): Promise<Measures> {
    const run: Run = { measurement: name, parameter, timing };
    return this.child.call('run', run, timing.warmUp + timing.time);
  }

  stop(): Promise<void> {
    return this.child.stop();
  }
}
