import type { ResultRow } from '../results.js';
import { summarize } from '../statistics.js';

/** One line of a chart. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a chart shows, whatever draws it. */
export interface Figure {
  /** The file's name, without its ending. */
  readonly file: string;
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly xLabel: (value: number) => string;
  readonly yLabel: (value: number) => string;
  /** 'linear' begins at 0. */
  readonly yScale: 'log' | 'linear';
  readonly series: readonly Series[];
}

interface Plan extends Omit<Figure, 'series'> {
  readonly suites: readonly string[];
  readonly measurement: string;
  readonly metric: string;
  name(row: ResultRow): string;
  /** NaN: no point of this chart. */
  x(row: ResultRow): number;
  y(median: number, x: number): number;
}

/** Bytes of a payload of text; the others carry something else and would not lie on the line. */
function textBytes(parameter: string): number {
  const [, count, unit] = /^(\d+)(B|kB)$/.exec(parameter) ?? [];
  return Number(count) * (unit === 'kB' ? 1_024 : 1);
}

export function formatBytes(bytes: number): string {
  return bytes >= 1_048_576 ? `${bytes / 1_048_576} MiB` : bytes >= 1_024 ? `${bytes / 1_024} KiB` : `${bytes} B`;
}

/** Of microseconds. */
export function formatTime(time: number): string {
  return time >= 1e6 ? `${time / 1e6} s` : time >= 1_000 ? `${time / 1_000} ms` : `${time} µs`;
}

const byPayload = { suites: ['nest'], name: (row: ResultRow) => row.subject, x: (row: ResultRow) => textBytes(row.parameter) };
const payloadAxis = { xTitle: 'Payload, an object with a text', xLabel: formatBytes };

const PLANS: readonly Plan[] = [
  {
    ...byPayload,
    ...payloadAxis,
    file: 'round-trip',
    title: 'Round trip of one request through Nest, median',
    measurement: 'round-trip',
    metric: 'p50',
    y: (median) => median,
    yTitle: 'Time (less is better)',
    yLabel: formatTime,
    yScale: 'log',
  },
  {
    ...byPayload,
    ...payloadAxis,
    file: 'throughput',
    title: 'Events through Nest, handled per second',
    measurement: 'events',
    metric: 'rate',
    y: (median, bytes) => (median * bytes) / 1e6,
    yTitle: 'MB/s of payload (more is better)',
    yLabel: String,
    yScale: 'log',
  },
  {
    file: 'connections',
    title: 'Cost of one message by connections, one of them active',
    suites: ['scale-connections'],
    measurement: 'cost-by-connections',
    metric: 'cost',
    name: () => 'segments',
    x: (row) => Number(row.subject),
    y: (median) => median,
    xTitle: 'Connections of the service',
    yTitle: 'ns per message (less is better)',
    xLabel: String,
    yLabel: String,
    yScale: 'linear',
  },
];

/** The figures for which there are rows. */
export function figuresOf(rows: readonly ResultRow[]): Figure[] {
  return PLANS.map((plan) => ({ ...plan, series: seriesOf(plan, rows) })).filter(({ series }) => series.length > 0);
}

function seriesOf(plan: Plan, rows: readonly ResultRow[]): Series[] {
  const byName = new Map<string, [number, number][]>();
  for (const row of rows) {
    if (!plan.suites.includes(row.suite) || row.measurement !== plan.measurement || row.metric.name !== plan.metric) continue;
    const x = plan.x(row);
    if (!Number.isFinite(x) || row.values.length === 0) continue;
    const points = byName.get(plan.name(row)) ?? [];
    byName.set(plan.name(row), [...points, [x, plan.y(summarize(row.values).median, x)]]);
  }
  return [...byName].map(([name, points]) => ({ name, points: points.sort(([a], [b]) => a - b) }));
}
