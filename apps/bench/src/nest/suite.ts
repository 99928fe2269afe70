import type { Goal, Term } from '../goals.js';
import { inFlight, nestPayload, payloadNames } from '../payloads.js';
import type { Measurement, Suite } from '../suite.js';
import { NestSubject } from './nest-subject.js';
import { peerNames } from './peers/index.js';
import { EVENTS_IN_FLIGHT } from './workloads/events.js';
import { nestWorkloads } from './workloads/index.js';
import { REQUESTS_IN_FLIGHT } from './workloads/requests.js';

const QUICK_PEERS = ['rsm', 'tcp'];
/** `workload payload` of the rows that have a goal. */
const QUICK = ['round-trip 64B', 'requests 64B', 'events 64B', 'round-trip 64kB', 'round-trip 1MiB'];

function term(subject: string, measurement: string, parameter: string, metric: string): Term {
  return { subject, measurement, parameter, metric };
}

function againstTcp(title: string, measurement: string, parameter: string, metric: string, bound: Goal['bound'], value: number): Goal {
  const of = term('rsm', measurement, parameter, metric);
  return { title: `${title}, against Nest TCP`, of, to: [{ ...of, subject: 'tcp' }], bound, value };
}

const goals: Goal[] = [
  againstTcp('round trip, 64 B, one at a time', 'round-trip', '64B', 'p50', 'at most', 0.12),
  againstTcp('requests/s, 64 B, 64 in flight', 'requests', '64B', 'rate', 'at least', 3),
  againstTcp('events/s, 64 B', 'events', '64B', 'rate', 'at least', 5),
  againstTcp('round trip, 64 kB text', 'round-trip', '64kB', 'p50', 'at most', 0.2),
  againstTcp('round trip, 1 MiB Buffer', 'round-trip', '1MiB', 'p50', 'at most', 0.005),
];

const measurements: Measurement[] = payloadNames.nest.flatMap((parameter) =>
  nestWorkloads.map(({ name, metrics }) => ({ name, parameter, metrics, quick: QUICK.includes(`${name} ${parameter}`) })),
);

const few = payloadNames.nest
  .map((name) => nestPayload(name))
  .map((payload) => ({ name: payload.name, requests: inFlight(payload, REQUESTS_IN_FLIGHT), events: inFlight(payload, EVENTS_IN_FLIGHT) }))
  .filter(({ requests, events }) => requests < REQUESTS_IN_FLIGHT || events < EVENTS_IN_FLIGHT)
  .map(({ name, requests, events }) => `${name} ${requests} and ${events}`);

export const nestSuite: Suite = {
  name: 'nest',
  title: 'Nest transports',
  parameter: 'payload',
  subjects: peerNames.map((name) => new NestSubject(name, QUICK_PEERS.includes(name))),
  measurements,
  reference: 'tcp',
  goals,
  note:
    'A round trip carries its payload both ways, one at a time. Payloads are objects of a number and a text, 1MiB is a Buffer. ' +
    `${REQUESTS_IN_FLIGHT} requests in flight, events in batches of ${EVENTS_IN_FLIGHT} (${few.join('; ')}). Events count where they are handled.`,
};
