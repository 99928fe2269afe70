import { setTimeout } from 'node:timers/promises';
import { startNestPair } from '../nest/nest-subject.js';
import type { Pair } from '../pair.js';
import type { Measures, Metric, RunningSubject, Subject, Suite } from '../suite.js';

const CONNECTIONS = 10;
/** Milliseconds for the last message's traces to settle, and for measuring. */
const SETTLE = 1_000;
const MEASURE = 5_000;

const serverCpu: Metric = { name: 'server CPU', unit: '% of a core', better: 'lower' };

/** A server with clients that are connected and silent. */
class IdleService implements RunningSubject {
  constructor(private readonly pair: Pair) {}

  async measure(): Promise<Measures> {
    await this.pair.open(CONNECTIONS - 1);
    // The command itself costs CPU: the first one more than the others.
    await this.pair.serverUsage();
    await setTimeout(SETTLE);
    const before = await this.pair.serverUsage();
    const start = performance.now();
    await setTimeout(MEASURE);
    const used = (await this.pair.serverUsage()) - before;
    const microseconds = (performance.now() - start) * 1_000;
    return { values: { [serverCpu.name]: (used / microseconds) * 100 }, messages: 0 };
  }

  stop(): Promise<void> {
    return this.pair.stop();
  }
}

function subject(name: string): Subject {
  return { name, start: async (place) => new IdleService(await startNestPair(name, place)) };
}

export const idleSuite: Suite = {
  name: 'idle',
  title: 'Connected and silent',
  parameter: 'connections',
  subjects: ['rsm', 'tcp'].map(subject),
  measurements: [{ name: 'idle', parameter: String(CONNECTIONS), metrics: [serverCpu] }],
  rounds: 1,
};
