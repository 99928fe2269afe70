import { startNestPair } from '../nest/nest-subject.js';
import { nestWorkloads } from '../nest/workloads/index.js';
import { Pair } from '../pair.js';
import { Single } from '../single.js';
import type { Measurement, Subject, Suite } from '../suite.js';

const events = { measurement: 'events', parameter: '64B', metric: 'rate' };

const measurements: Measurement[] = nestWorkloads.map(({ name, metrics }) => ({
  name,
  parameter: '64B',
  metrics,
  quick: name === 'events',
}));

const eventsOnly = ({ name }: Measurement): boolean => name === 'events';

const subjects: Subject[] = [
  { name: 'rsm-whole', quick: true, start: (place) => startNestPair('rsm', place) },
  {
    name: 'emit-half',
    quick: true,
    measures: eventsOnly,
    start: (place) => {
      const programs = { server: new URL('../nest/server.js', import.meta.url), client: new URL('./emit-half.js', import.meta.url) };
      return Pair.start({ ...programs, label: 'emit-half', arguments: ['rsm'] }, place);
    },
  },
  {
    name: 'server-half',
    quick: true,
    measures: eventsOnly,
    start: (place) => Single.start(new URL('./server-half.js', import.meta.url), 'server-half', place),
  },
  { name: 'no-wire', start: (place) => Single.start(new URL('./no-wire.js', import.meta.url), 'no-wire', place) },
];

/** What of the cost is Nest's and ours in JavaScript, and what the wire adds. */
export const pipelineSuite: Suite = {
  name: 'pipeline',
  title: 'The pipeline without a wire',
  parameter: 'payload',
  subjects,
  measurements,
  goals: [
    {
      title: 'Nest events/s, against the slower of its halves alone',
      of: { ...events, subject: 'rsm-whole' },
      to: [
        { ...events, subject: 'emit-half' },
        { ...events, subject: 'server-half' },
      ],
      bound: 'at least',
      value: 0.8,
    },
  ],
  note:
    'emit-half: our client, its events taken for committed at Connection.send. server-half: our server under Nest, given recorded bytes in batches. ' +
    "no-wire: Nest's own Server and ClientProxy in one process, objects handed over.",
};
