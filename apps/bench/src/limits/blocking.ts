import { startBelow } from '../below/suite.js';
import { rawRoundTrip } from '../below/workloads/round-trip.js';
import type { Goal, Term } from '../goals.js';
import type { Measurement, RunningSubject, Subject, Suite } from '../suite.js';
import { BusyProcesses } from './busy-processes.js';

const PAYLOAD = '64B';
const ONE_CORE = '0';
const roundTrip: Measurement = { name: rawRoundTrip.name, parameter: PAYLOAD, metrics: rawRoundTrip.metrics, quick: false };

function term(subject: string): Term {
  return { subject, measurement: roundTrip.name, parameter: PAYLOAD, metric: 'p50' };
}

function goal(title: string, of: string, to: string): Goal {
  return { title, of: term(of), to: [term(to)], bound: 'at most', value: 1.2 };
}

/** What sleeping and ringing cost, where no core has to be woken. */
export const blockingSuite: Suite = {
  name: 'blocking',
  title: 'Both processes on one core',
  parameter: 'payload',
  subjects: ['segments-blocking', 'segments', 'pipe', 'unix-socket'].map((name): Subject => ({
    name,
    start: (place) => startBelow(name, place, ONE_CORE),
  })),
  measurements: [roundTrip],
  reference: 'pipe',
  goals: [goal('segments, blocking, round trip, both processes on one core, against a bare Node pipe', 'segments-blocking', 'pipe')],
  note: 'segments polls adaptively, as by default; segments-blocking never.',
};

function besideOthers(name: string): Subject {
  return {
    name,
    async start(place): Promise<RunningSubject> {
      const pair = await startBelow(name, place);
      return {
        async measure(measurement, timing) {
          const busy = await BusyProcesses.start(2);
          try {
            return await pair.measure(measurement, timing);
          } finally {
            await busy.stop();
          }
        },
        stop: () => pair.stop(),
      };
    },
  };
}

/** Polling must not cost more than sleeping where others want the cores. */
export const busySuite: Suite = {
  name: 'busy',
  title: 'Beside two processes that are always busy',
  parameter: 'payload',
  subjects: ['segments', 'segments-blocking'].map(besideOthers),
  measurements: [roundTrip],
  reference: 'segments-blocking',
  goals: [goal('segments, adaptive, round trip beside two busy processes, against blocking', 'segments', 'segments-blocking')],
};
