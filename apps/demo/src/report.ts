import type { KillRun, Run, TransportName } from './results.js';

const TITLES: Record<TransportName, string> = { rsm: 'segments', tcp: 'Nest TCP' };

const TWO_LINES = `The two lines one changes in an application
  in the service   - { transport: Transport.TCP, options: { port: 4101 } }
                   + { strategy: new RsmServer({ service: 'delays' }) }
  in its client    - { name: 'DELAYS', transport: Transport.TCP, options: { port: 4101 } }
                   + { name: 'DELAYS', customClass: RsmClient, options: { service: 'delays' } }`;

interface Row {
  label: string;
  value: (run: Run) => string;
  /** Compared as segments ÷ TCP. */
  measure?: (run: Run) => number;
}

const ROWS: Row[] = [
  { label: 'events sent', value: (run) => integer(run.replay.sent.flights) },
  { label: 'events received', value: (run) => integer(run.replay.received.flights) },
  { label: 'missing / doubled', value: ({ replay: { received } }) => `${integer(received.missing)} / ${integer(received.doubled)}` },
  {
    label: 'events per second',
    value: (run) => integer(run.replay.eventsPerSecond),
    measure: (run) => run.replay.eventsPerSecond,
  },
  ...(['p50', 'p90', 'p99'] as const).map((percentile) => duration(`round trip, ${percentile}`, (run) => run.roundTrips[percentile])),
  duration('map as an object, p50', (run) => run.map.object.p50),
  duration('map as a Buffer, p50', (run) => run.map.buffer.p50),
  duration('query streamed over HTTP', (run) => run.query.milliseconds * 1_000),
];

const KILL_ROWS: { label: string; value: (run: KillRun) => string }[] = [
  { label: 'events sent', value: ({ replay: { sent } }) => integer(sent.flights) },
  { label: 'handled at least once', value: ({ replay: { received } }) => integer(received.flights) },
  { label: '  of them before the kill', value: ({ replay: { received } }) => integer(received.recovered) },
  { label: '  of them by the successor', value: ({ replay: { received } }) => integer(received.flights - received.recovered) },
  { label: 'lost', value: ({ replay: { received } }) => integer(received.missing) },
  { label: 'handled twice', value: ({ replay: { received } }) => integer(received.doubled) },
  { label: 'emits that failed, and were repeated', value: ({ replay }) => integer(replay.repeated) },
  { label: 'kill until the successor takes messages', value: (run) => milliseconds(run.successorReadyAt - run.killedAt) },
  {
    label: 'kill until it handled its first event',
    value: ({ killedAt, replay: { received } }) =>
      received.firstHandledAt === undefined ? 'none came' : milliseconds(received.firstHandledAt - killedAt),
  },
];

/** The report of one run, or of two beside each other; `kills` in the same order as `runs`. */
export function formatReport(runs: Run[], kills: KillRun[]): string {
  const [first] = runs;
  const parts = [
    `Undisturbed\n${comparison(runs)}`,
    'Events per second: from the first emit until the consumer, which keeps its counts in memory here, has counted the last one;\n' +
      `round trips are ${integer(first.roundTrips.count)} airport look-ups, one at a time; the map is one message of ${kilobytes(first.map.bytes)};\n` +
      `the query reads a file and streams ${integer(first.query.flights)} flights. Ratio: segments ÷ TCP.`,
    killed(kills),
    ...runs.filter((run) => run.groups.length > 0).map(groups),
    top(first),
    TWO_LINES,
  ];
  return parts.join('\n\n');
}

function killed(kills: KillRun[]): string {
  const head = ['', ...kills.map(({ transport }) => TITLES[transport])];
  const rows = KILL_ROWS.map(({ label, value }) => [label, ...kills.map(value)]);
  return [
    "The events' consumer killed with -9 in the middle of the stream, a successor started at once",
    table([head, ...rows]),
    'The consumer appends each flight to a journal before it is done with its event, and its successor reads that back. An event whose',
    'handler had ended, but not been reported to the sender, comes again: the successor knows it by its number and does not count it twice.',
    "No figure of speed is taken here; most of the time until the first event is the start of Node.js and Nest. A line in the journal is safe from the process's",
    'death, not from a power failure.',
  ].join('\n');
}

function comparison(runs: Run[]): string {
  const rsm = runs.find((run) => run.transport === 'rsm');
  const tcp = runs.find((run) => run.transport === 'tcp');
  const both = rsm && tcp;
  const head = ['', ...runs.map((run) => TITLES[run.transport]), ...(both ? ['ratio'] : [])];
  const rows = ROWS.map(({ label, value, measure }) => [
    label,
    ...runs.map(value),
    ...(both ? [measure ? ratio(measure(rsm) / measure(tcp)) : ''] : []),
  ]);
  return table([head, ...rows]);
}

function groups(run: Run): string {
  const head = ['partition size', 'partitions', 'span factor', 'messages', 'kB', 'high water', 'full'];
  const rows = run.groups
    .filter((group) => group.direction === 'out')
    .map((group) => [
      `${integer(group.partitionSize)} B`,
      integer(group.partitions),
      integer(group.spanFactor),
      integer(group.messages),
      integer(group.bytes / 1_000),
      integer(group.highWater),
      `${Math.round((group.highWater / group.partitions) * 100)} %`,
    ]);
  return `Segment groups from the gateway to the delays service (events and requests)\n${table([head, ...rows])}`;
}

function top(run: Run): string {
  const head = ['airport', 'flights', '15 min late or more', 'mean delay'];
  const rows = run.answers.top.map(({ origin, name, flights, delayed, meanDelay }, index) => [
    `${String(index + 1).padStart(2)} ${origin} ${name}`,
    integer(flights),
    `${Math.round((delayed / flights) * 100)} %`,
    `${meanDelay.toFixed(1)} min`,
  ]);
  return `The most delayed airports, of those with ${integer(run.minimumFlights)} departures or more\n${table([head, ...rows])}`;
}

/** The first column to the left, the others to the right. */
function table(rows: string[][]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) => `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column] + 3))).join('')}`)
    .map((line) => line.trimEnd())
    .join('\n');
}

function duration(label: string, microseconds: (run: Run) => number): Row {
  return { label, value: (run) => time(microseconds(run)), measure: microseconds };
}

function time(microseconds: number): string {
  return microseconds < 1_000 ? `${microseconds.toFixed(1)} µs` : `${(microseconds / 1_000).toFixed(2)} ms`;
}

function milliseconds(value: number): string {
  return `${integer(value)} ms`;
}

function ratio(value: number): string {
  return `${value.toFixed(value >= 1 ? 1 : value >= 0.1 ? 2 : 3)} ×`;
}

function integer(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function kilobytes(bytes: number): string {
  return `${integer(bytes / 1_000)} kB`;
}
