import { Random } from './random.js';

/** What is done to the processes, and how often. */
const WEIGHTS = {
  /** kill -9 of one server, one client, one of each, all servers at once. */
  'kill a server': 20,
  'kill a client': 14,
  'kill a server and a client': 6,
  'kill all servers': 3,
  /** SIGTERM; its successor is started before, or after it has ended. */
  'deploy a server': 16,
  'deploy all servers': 4,
  'deploy a client': 8,
  /** SIGSTOP, and SIGCONT after longer than every timeout. */
  'stop a server': 8,
  'stop a client': 6,
  'stop a server and a client': 6,
  'stop all': 3,
  /** kill -9 of a server that is stopped. */
  'kill a stopped server': 6,
} as const;
export type Fault = keyof typeof WEIGHTS;
export const FAULTS = Object.keys(WEIGHTS) as Fault[];

export interface Step {
  fault: Fault;
  /** Milliseconds after the step before. */
  after: number;
  /** Which server and client: 0 to 1, of those that may be chosen. */
  server: number;
  client: number;
  /** Milliseconds: of a stop. */
  duration: number;
  /** Milliseconds until a killed process is started again. */
  pause: number;
  /** Of a deployment: the successor is there before the old one is told to end. */
  overlap: boolean;
}

export interface PlanOptions {
  seed: number;
  /** Milliseconds in all. */
  duration: number;
  /** Milliseconds between two steps, on average. */
  pace: number;
  /** Milliseconds at least, of a stop: longer than the timeouts of the clients that have short ones. */
  stop: number;
}

/** The same seed and options, the same plan. */
export function plan({ seed, duration, pace, stop }: PlanOptions): Step[] {
  const random = Random.of(seed, 'plan');
  const steps: Step[] = [];
  // Each kind once, in some order, then by weight.
  const first = FAULTS.map((fault) => ({ fault, rank: random.next() })).sort((a, b) => a.rank - b.rank);
  for (let at = 0; at < duration;) {
    const after = random.between(pace / 2, (pace * 3) / 2);
    at += after;
    steps.push({
      fault: first[steps.length]?.fault ?? random.weighted(WEIGHTS),
      after,
      server: random.next(),
      client: random.next(),
      duration: random.between(stop, 2 * stop),
      pause: random.chance(0.5) ? 0 : random.between(1, 1_500),
      overlap: random.chance(0.6),
    });
  }
  return steps;
}
