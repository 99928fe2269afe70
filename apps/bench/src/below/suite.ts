import { payloadNames } from '../payloads.js';
import { Pair } from '../pair.js';
import type { Goal, Term } from '../goals.js';
import type { Measurement, Place, RunningSubject, Subject, Suite } from '../suite.js';
import { channelProgram } from './channel-program.js';
import { buildLimits } from './limits-addon.js';
import { memcpy } from './memcpy.js';
import { peerNames } from './peers/index.js';
import { filled, intoFresh, intoReused, oneWay, oneWayBatch } from './workloads/one-way.js';
import { rawWorkloads } from './workloads/index.js';
import { rawRoundTrip } from './workloads/round-trip.js';

const programs = { server: new URL('./server.js', import.meta.url), client: new URL('./client.js', import.meta.url) };
/** Into memory: what is compared with memcpy. */
const COPIES = [intoReused.name, intoFresh.name, filled.name];
/** Of a subject that sends and receives without copies. */
const IN_PLACE = [intoReused.name, filled.name];
const LARGE = ['64kB', '1MiB'];
/** `workload payload` of the rows that have a goal. */
const QUICK = [
  `${rawRoundTrip.name} 64B`,
  `${oneWay.name} 64B`,
  `${oneWayBatch.name} 64B`,
  ...LARGE.map((payload) => `${intoReused.name} ${payload}`),
];
const QUICK_SUBJECTS = ['segments', 'ring', 'zeromq', 'c++', 'memcpy'];

export function startBelow(peer: string, place: Place, cores?: string): Promise<Pair> {
  return Pair.start({ ...programs, label: peer, arguments: [peer], cores }, place);
}

const measurements: Measurement[] = rawWorkloads.flatMap(({ name, metrics }) =>
  payloadNames.raw
    .filter((parameter) => (name === oneWayBatch.name ? parameter === '64B' : !COPIES.includes(name) || LARGE.includes(parameter)))
    .map((parameter) => ({ name, parameter, metrics, quick: QUICK.includes(`${name} ${parameter}`) })),
);

function subject(name: string): Subject {
  const batches = name === 'segments' || name === 'ring';
  return {
    name,
    quick: QUICK_SUBJECTS.includes(name),
    measures: (measurement) => {
      if (name === 'segments-in-place') return IN_PLACE.includes(measurement.name);
      if (measurement.name === oneWayBatch.name) return batches;
      return !COPIES.includes(measurement.name) || batches;
    },
    start: (place) => startBelow(name, place),
  };
}

/** Polls without end: its processes live only while it is measured, so that they take nothing from the others. */
function restless(one: Subject): Subject {
  return {
    ...one,
    unavailable: buildLimits,
    start: async (place): Promise<RunningSubject> => ({
      async measure(measurement, timing) {
        const running = await one.start(place);
        try {
          return await running.measure(measurement, timing);
        } finally {
          await running.stop();
        }
      },
      stop: async () => undefined,
    }),
  };
}

function term(subject: string, measurement: string, parameter: string, metric: string): Term {
  return { subject, measurement, parameter, metric };
}

const roundTrip = term('segments', rawRoundTrip.name, '64B', 'p50');
const batch = term('segments', oneWayBatch.name, '64B', 'rate');

const goals: Goal[] = [
  {
    title: 'segments, round trip, 64 B, against a bare ring through the same binding',
    of: roundTrip,
    to: [{ ...roundTrip, subject: 'ring' }],
    bound: 'at most',
    value: 1.25,
  },
  {
    title: 'segments, round trip, 64 B, against two C++ processes',
    of: roundTrip,
    to: [{ ...roundTrip, subject: 'c++' }],
    bound: 'at most',
    value: 6,
  },
  {
    title: 'segments, one way, 64 B, batches, against a bare ring',
    of: batch,
    to: [{ ...batch, subject: 'ring' }],
    bound: 'at least',
    value: 0.85,
  },
  {
    title: 'segments, one way, 64 B, batches, against zeromq ipc',
    of: batch,
    to: [term('zeromq', oneWay.name, '64B', 'rate')],
    bound: 'at least',
    value: 10,
  },
  ...LARGE.map((parameter): Goal => {
    const of = term('segments', intoReused.name, parameter, 'throughput');
    return {
      title: `segments, one way, ${parameter} into a reused buffer, against memcpy`,
      of,
      to: [{ ...of, subject: 'memcpy' }],
      bound: 'at least',
      value: 0.85,
    };
  }),
];

export const belowSuite: Suite = {
  name: 'below',
  title: 'Without Nest',
  parameter: 'payload',
  subjects: [
    ...peerNames.filter((name) => !['ring', 'pipe', 'segments-blocking'].includes(name)).map(subject),
    restless(subject('ring')),
    channelProgram,
    memcpy,
  ],
  measurements,
  reference: 'segments',
  goals,
  note:
    'Payloads are bytes, all of them read on both ends; where they go into a reused buffer, that copy is their reading. zeromq: ipc, a pair of sockets. unix-socket: `net`, each message behind ' +
    'its length, one system call a turn. process.send: a child, serialization advanced. message-port: a worker thread. ring: a bare ring in shared memory, polled without end, through ' +
    'the same binding. segments-in-place: loans are filled (one-way-reused: with a copy) and views are read. one-way-filled: each byte is written anew, and read. c++: the protocol of the segments between two processes that spin. memcpy: one core, into and out of as much memory as the receiver’s partitions and arena.',
};
