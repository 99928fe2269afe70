/**
 * Compares the codecs json and msgpack on real payloads. A sample is what a message costs: encoding, writing the bytes into memory (as into partitions), decoding.
 * Codecs and payloads take turns in each round, so that a slow minute of the machine meets all of them.
 */
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { type Codec, createCodec, decode, type Encoded } from 'nestjs-rsm';
import { interquartileRange, median } from 'simple-statistics';
import { Bench } from 'tinybench';

const ROUNDS = 9;
/** Milliseconds for one codec on one payload in one round. */
const ROUND_TIME = 40;
/** Microseconds a sample must take at least: the clock's own cost must not count. */
const SHORTEST_SAMPLE = 100;
/** Where the message lies in memory: a batch of messages shares a Buffer, so hardly any begins at 0. */
const OFFSET = 10_000;

interface Case {
  readonly name: string;
  readonly value: unknown;
}

interface Series {
  readonly payload: Case;
  readonly codec: Codec;
  readonly bytes: number;
  /** Microseconds a message, one for each round. */
  readonly encode: number[];
  readonly decode: number[];
  readonly both: number[];
}

const codecs = [createCodec('json'), createCodec('msgpack')];

async function main(): Promise<void> {
  console.log(
    `Node.js ${process.version}, ${cpus()[0]?.model ?? process.arch}, ${cpus().length} cores; ${ROUNDS} rounds, median ± half the interquartile range\n`,
  );
  const memory = Buffer.alloc(4 * 1024 * 1024);
  const series = (await payloads()).flatMap((payload) => codecs.map((codec) => newSeries(payload, codec, memory)));
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of round % 2 === 0 ? series : [...series].reverse()) {
      measure(one, memory);
    }
  }
  console.table(series.map((one, i) => row(one, series[i - (i % codecs.length)]!)));
}

async function payloads(): Promise<Case[]> {
  const data = (name: string): string => fileURLToPath(new URL(`../data/${name}`, import.meta.resolve('vega-datasets')));
  const file = await asyncBufferFromFile(data('flights-3m.parquet'));
  const rows = await parquetReadObjects({ file, compressors, rowEnd: 1000 });
  const flights = rows.map(toFlight);
  return [
    { name: 'one flight', value: flights[0] },
    { name: 'one flight, date as Date', value: { ...flights[0], date: rows[0]!['date'] as unknown } },
    { name: '1,000 flights', value: flights },
    { name: 'map us-10m', value: JSON.parse(await readFile(data('us-10m.json'), 'utf8')) },
    { name: 'Buffer 64 kB', value: Buffer.alloc(65_536, 7) },
    {
      name: 'nested Buffers',
      value: {
        id: 17,
        thumbnail: Buffer.alloc(2048, 1),
        pages: [
          { n: 1, image: Buffer.alloc(16_384, 2) },
          { n: 2, image: Buffer.alloc(16_384, 3) },
        ],
      },
    },
  ];
}

/** As an app sends it: the file's 64-bit numbers as numbers (JSON has no word for BigInt), its dates as text. */
function toFlight(row: Record<string, unknown>): Record<string, unknown> {
  const plain = (cell: unknown): unknown => (typeof cell === 'bigint' ? Number(cell) : cell instanceof Date ? cell.toISOString() : cell);
  return Object.fromEntries(Object.entries(row).map(([column, cell]) => [column, plain(cell)]));
}

function newSeries(payload: Case, codec: Codec, memory: Buffer): Series {
  const into: Encoded = { format: 0, payload: undefined };
  const bytes = encodeInto(codec, payload.value, into, memory);
  return { payload, codec, bytes, encode: [], decode: [], both: [] };
}

/** Returns how many bytes were written to `memory`. */
function encodeInto(codec: Codec, value: unknown, into: Encoded, memory: Buffer): number {
  codec.encode(value, into);
  const { payload } = into;
  if (typeof payload === 'string') {
    return memory.write(payload, OFFSET, 'utf8');
  }
  memory.set(payload!, OFFSET);
  return payload!.length;
}

function measure(series: Series, memory: Buffer): void {
  const { codec, payload, bytes } = series;
  const into: Encoded = { format: 0, payload: undefined };
  const encodeOnce = (): void => void encodeInto(codec, payload.value, into, memory);
  const decodeOnce = (): void => void decode(into.format, memory, OFFSET, OFFSET + bytes, false);
  encodeOnce();
  const bench = new Bench({ time: ROUND_TIME, warmupTime: ROUND_TIME / 4, iterations: 5, warmupIterations: 3 });
  const tasks: [keyof Series & ('encode' | 'decode' | 'both'), () => void][] = [
    ['encode', encodeOnce],
    ['decode', decodeOnce],
    ['both', () => (encodeOnce(), decodeOnce())],
  ];
  const repeats = repeatsFor(tasks[2]![1]);
  for (const [name, run] of tasks) {
    bench.add(name, () => {
      for (let i = 0; i < repeats; i++) {
        run();
      }
    });
  }
  bench.runSync();
  for (const [name] of tasks) {
    const result = bench.getTask(name)!.result;
    if (!('latency' in result)) {
      throw new Error(`${payload.name}, ${codec.name}, ${name}: no result (${result.state})`);
    }
    series[name].push((result.latency.p50 * 1000) / repeats);
  }
}

function repeatsFor(run: () => void): number {
  const start = process.hrtime.bigint();
  run();
  const microseconds = Number(process.hrtime.bigint() - start) / 1000;
  return Math.max(1, Math.ceil(SHORTEST_SAMPLE / microseconds));
}

function row(series: Series, first: Series): Record<string, string | number> {
  return {
    payload: series.payload.name,
    codec: series.codec.name,
    bytes: series.bytes,
    'encode µs': show(series.encode),
    'decode µs': show(series.decode),
    'both µs': show(series.both),
    'both, of json': (median(series.both) / median(first.both)).toFixed(2),
  };
}

function show(values: number[]): string {
  const digits = median(values) < 10 ? 3 : 1;
  return `${median(values).toFixed(digits)} ± ${(interquartileRange(values) / 2).toFixed(digits)}`;
}

await main();
