import type { SegmentGeometry } from '@nestjs-rsm/segments';
import type { Goal } from '../../goals.js';
import { Pair } from '../../pair.js';
import type { Measurement, Metric, Place, RunningSubject, Subject, Suite } from '../../suite.js';
import { BURST, MESSAGE, type Shape } from './shape.js';

const programs = { server: new URL('./server.js', import.meta.url), client: new URL('./client.js', import.meta.url) };
const cost: Metric = { name: 'cost', unit: 'ns/message', better: 'lower' };

export function startScale(label: string, shape: Shape, place: Place, cores?: string): Promise<Pair> {
  return Pair.start({ ...programs, label, cores }, place, { folder: place.folder, shape });
}

function partitions(count: number): Shape {
  return { connections: 1, segments: [{ partitionSize: MESSAGE, partitions: count, spanFactor: 1 }], held: count / 2 - BURST };
}

/** So many groups around the one that carries the messages. */
function groups(count: number): Shape {
  const smallest = MESSAGE >> Math.floor((count - 1) / 2);
  const segments = Array.from({ length: count }, (_, i): SegmentGeometry => {
    const partitionSize = smallest << i;
    return { partitionSize, partitions: 256, spanFactor: partitionSize < MESSAGE ? 1 : 16 };
  });
  return { connections: 1, segments, held: 0 };
}

const SHAPES: Record<string, Record<string, Shape>> = {
  connections: Object.fromEntries([1, 16, 256].map((count) => [String(count), { connections: count, held: 0 }])),
  partitions: Object.fromEntries([64, 2_048, 65_536].map((count) => [String(count), partitions(count)])),
  groups: Object.fromEntries([1, 4, 8].map((count) => [String(count), groups(count)])),
};
const LIMIT = 1.3;
/** Neither polls, both on one core: what else the machine does is not in the median then. */
const ONE_CORE = '0';

/** Each value is a subject, so that small and large share a round; it runs only while it is measured, alone. */
function suiteOf(name: string): Suite {
  const shapes = SHAPES[name]!;
  const counts = Object.keys(shapes);
  const first = counts[0]!;
  const measurement: Measurement = { name: `cost-by-${name}`, parameter: `${BURST} x ${MESSAGE}B`, metrics: [cost] };
  const term = (subject: string) => ({ subject, measurement: measurement.name, parameter: measurement.parameter, metric: cost.name });
  const subjects = counts.map((count): Subject => ({
    name: count,
    start: async (place): Promise<RunningSubject> => ({
      async measure(what, timing) {
        const pair = await startScale(`${name} ${count}`, { ...shapes[count]!, polling: 'blocking' }, place, ONE_CORE);
        try {
          return await pair.measure(what, timing);
        } finally {
          await pair.stop();
        }
      },
      stop: async () => undefined,
    }),
  }));
  const goals = counts.slice(1).map((count): Goal => ({
    title: `cost of one message with ${count} ${name}, against ${first}`,
    of: term(count),
    to: [term(first)],
    bound: 'at most',
    value: LIMIT,
  }));
  return {
    name: `scale-${name}`,
    title: `Cost of one message by ${name}`,
    parameter: 'burst',
    subjects,
    measurements: [measurement],
    reference: first,
    goals,
  };
}

export const scaleSuites: readonly Suite[] = Object.keys(SHAPES).map(suiteOf);
