import { payloadNames } from '../payloads.js';
import { Pair } from '../pair.js';
import type { Measurement, Subject, Suite } from '../suite.js';
import { peerNames } from './peers/index.js';
import { rawWorkloads } from './workloads/index.js';

const programs = { server: new URL('./server.js', import.meta.url), client: new URL('./client.js', import.meta.url) };

const measurements: Measurement[] = payloadNames.raw.flatMap((parameter) =>
  rawWorkloads.map(({ name, metrics }) => ({ name, parameter, metrics })),
);

function subject(name: string): Subject {
  return { name, start: (place) => Pair.start({ ...programs, label: name, arguments: [name] }, place) };
}

export const belowSuite: Suite = {
  name: 'below',
  title: 'Without Nest',
  parameter: 'payload',
  subjects: peerNames.map(subject),
  measurements,
  note: 'Payloads are bytes.',
};
