import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { Goal } from '../goals.js';
import type { Pair } from '../pair.js';
import type { Measures, Metric, Place, RunningSubject, Subject, Suite } from '../suite.js';
import { startScale } from './scale/index.js';

const IDLE_CONNECTIONS = 100;
const MEMORY_CONNECTIONS = 256;
/** Milliseconds for the last message's traces to settle, and for measuring. */
const SETTLE = 1_500;
const MEASURE = 10_000;
/** Milliseconds after which an endpoint has trimmed what is idle. */
const TRIMMED = 21_000;

const cpuServer: Metric = { name: 'server CPU', unit: '% of a core', better: 'lower' };
const cpuClient: Metric = { name: 'client CPU', unit: '% of a core', better: 'lower' };
const cpuMeasurement = { name: 'idle-cpu', parameter: String(IDLE_CONNECTIONS), metrics: [cpuServer, cpuClient] };

const memoryMetrics: readonly Metric[] = ['both, PSS', 'server PSS', 'client PSS', 'server RSS', 'client RSS'].map((name) => ({
  name,
  unit: 'kB/connection',
  better: 'lower',
}));
const memoryMeasurement = { name: 'memory', parameter: String(MEMORY_CONNECTIONS), metrics: memoryMetrics };

class IdleConnections implements RunningSubject {
  constructor(private readonly place: Place) {}

  measure({ name }: { name: string }): Promise<Measures> {
    return name === cpuMeasurement.name ? this.cpu() : this.memory();
  }

  async stop(): Promise<void> {}

  private async cpu(): Promise<Measures> {
    const pair = await startScale('idle', { connections: IDLE_CONNECTIONS, held: 0 }, this.place);
    try {
      const pids = [pair.server.pid, pair.client.pid];
      await setTimeout(TRIMMED); // once; what happens every time is in the measurement
      const before = pids.map(cpuTime);
      const start = performance.now();
      await setTimeout(MEASURE);
      const nanoseconds = (performance.now() - start) * 1e6;
      const [server, client] = pids.map((pid, i) => ((cpuTime(pid) - before[i]!) / nanoseconds) * 100);
      return { values: { [cpuServer.name]: server!, [cpuClient.name]: client! }, messages: 0 };
    } finally {
      await pair.stop();
    }
  }

  /** What the connections beyond the first ones add. Half a megabyte of V8's young generation more or less does not matter among 256. */
  private async memory(): Promise<Measures> {
    const few = 16;
    const pair = await startScale('memory', { connections: few, held: 0 }, this.place);
    try {
      await settled(pair);
      const before = memoryOf(pair);
      await pair.open(MEMORY_CONNECTIONS - few);
      await settled(pair);
      const after = memoryOf(pair);
      const more = MEMORY_CONNECTIONS - few;
      const each = (which: 'server' | 'client', what: 'pss' | 'rss'): number => (after[which][what] - before[which][what]) / more;
      const values = {
        'both, PSS': each('server', 'pss') + each('client', 'pss'),
        'server PSS': each('server', 'pss'),
        'client PSS': each('client', 'pss'),
        'server RSS': each('server', 'rss'),
        'client RSS': each('client', 'rss'),
      };
      return { values, messages: 0 };
    } finally {
      await pair.stop();
    }
  }
}

async function settled(pair: Pair): Promise<void> {
  await setTimeout(TRIMMED);
  await Promise.all([pair.server.call('collect'), pair.client.call('collect')]);
  await setTimeout(SETTLE);
}

/** CPU time of all threads, ns. */
function cpuTime(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]), 0);
}

/** kB. */
function memoryOf(pair: Pair): Record<'server' | 'client', { pss: number; rss: number }> {
  const of = (pid: number) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)![1]);
    return { pss: field('Pss'), rss: field('Rss') };
  };
  return { server: of(pair.server.pid), client: of(pair.client.pid) };
}

const subject: Subject = {
  name: 'segments',
  unavailable: async () => (process.platform === 'linux' ? undefined : 'it reads /proc'),
  start: async (place) => new IdleConnections(place),
};

function goal(title: string, of: { name: string; parameter: string }, metric: string, value: number): Goal {
  return { title, of: { subject: subject.name, measurement: of.name, parameter: of.parameter, metric }, bound: 'at most', value };
}

export const idleConnectionsSuite: Suite = {
  name: 'idle-connections',
  title: 'Idle connections of segments',
  parameter: 'connections',
  subjects: [subject],
  measurements: [cpuMeasurement, memoryMeasurement],
  goals: [
    goal(`CPU of a server with ${IDLE_CONNECTIONS} idle connections, % of a core`, cpuMeasurement, cpuServer.name, 0.1),
    goal(`resident memory of an idle connection, as 1 of ${MEMORY_CONNECTIONS}, kB in both processes`, memoryMeasurement, 'both, PSS', 256),
  ],
  rounds: 1,
  note: 'Each connection has carried a message. Memory: what the connections beyond the first 16 add, after trimming; PSS counts a shared page half in each process.',
};
