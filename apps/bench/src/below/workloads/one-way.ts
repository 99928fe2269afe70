import { setImmediate } from 'node:timers/promises';
import { FIRST_NUMBER, TAG_OFFSET } from '../../payloads.js';
import type { Measures, Metric } from '../../suite.js';
import type { Workload } from '../../workload.js';
import { Tag } from '../tags.js';
import type { RawBench } from './bench.js';

/** Messages, or so many bytes of them, between two looks at the clock and two turns of the event loop. */
const STRETCH = 1_024;
const STRETCH_BYTES = 1024 * 1024;

const metrics: readonly Metric[] = [
  { name: 'rate', unit: '/s', better: 'higher' },
  { name: 'throughput', unit: 'GB/s', better: 'higher' },
];

/** Messages as fast as there is room for them, a call each; counted where they arrive. */
function oneWayWith(name: string, tag: number): Workload<RawBench> {
  return {
    name,
    metrics,
    async run({ connection, payload, time, reached }) {
      const memory = payload.create();
      memory[TAG_OFFSET] = tag;
      const stretch = Math.max(1, Math.min(STRETCH, Math.floor(STRETCH_BYTES / payload.bytes)));
      return overTime(time, payload.bytes, reached, async (first) => {
        for (let i = 0; i < stretch; i++) {
          const message = payload.write(memory, first + i);
          if (connection.lend) {
            const loan = await connection.lend(payload.bytes);
            loan.buffer.set(message);
            loan.send();
          } else {
            const room = connection.send(message, 'one-way');
            if (room) await room;
          }
        }
        return stretch;
      });
    },
  };
}

/** Every byte is read where it arrives. */
export const oneWay = oneWayWith('one-way', Tag.oneWay);
/** Into a reused buffer, against memory itself. */
export const intoReused = oneWayWith('one-way-reused', Tag.glance);
/** The same, with a Buffer of its own for each message. */
export const intoFresh = oneWayWith('one-way-fresh', Tag.fresh);

/** Every byte is made anew for each message, and read where it arrives: made where it will be read, for a peer that lends memory; else copied there. */
export const filled: Workload<RawBench> = {
  name: 'one-way-filled',
  metrics,
  async run({ connection, payload: { bytes }, time, reached }) {
    const memory = Buffer.alloc(bytes);
    const stretch = Math.max(1, Math.floor(STRETCH_BYTES / bytes));
    return overTime(time, bytes, reached, async (first) => {
      for (let i = 0; i < stretch; i++) {
        if (connection.lend) {
          const loan = await connection.lend(bytes);
          fill(loan.buffer, first + i);
          loan.send();
        } else {
          const room = connection.send(fill(memory, first + i), 'one-way');
          if (room) await room;
        }
      }
      return stretch;
    });
  },
};

function fill(buffer: Buffer, number: number): Buffer {
  buffer.fill(number & 255);
  buffer.writeUInt32LE(number, 0);
  buffer[TAG_OFFSET] = Tag.filled;
  return buffer;
}

/** The number of a message that fill() made; NaN where a byte is not what it was. */
export function filledNumberAt(buffer: Buffer, offset: number, length: number): number {
  const number = buffer.readUInt32LE(offset);
  const start = offset + TAG_OFFSET + 1;
  const first = buffer[start];
  // Each byte is the one before it: one pass of native code over all of them.
  const same = buffer.compare(buffer, start, offset + length - 1, start + 1, offset + length) === 0;
  return first === (number & 255) && same ? number : NaN;
}

/** As one-way, with one call for many messages. */
export const oneWayBatch: Workload<RawBench> = {
  name: 'one-way-batch',
  metrics,
  async run({ connection, payload, time, reached }) {
    const memory = payload.create();
    const { bytes } = payload;
    const packed = Buffer.allocUnsafe(STRETCH * bytes);
    for (let i = 0; i < STRETCH; i++) packed.set(memory, i * bytes);
    const lengths = new Uint32Array(STRETCH).fill(bytes);
    return overTime(time, bytes, reached, async (first) => {
      for (let i = 0; i < STRETCH; i++) packed.writeUInt32LE(first + i, i * bytes);
      for (let sent = 0; sent < STRETCH;) {
        sent += connection.sendBatch!(packed, lengths, sent);
        if (sent < STRETCH) {
          await connection.send(packed.subarray(sent * bytes, (sent + 1) * bytes), 'one-way');
          sent++;
        }
      }
      return STRETCH;
    });
  },
};

/** Runs `stretch(number of its first message)`, which returns how many messages it sent, for so many milliseconds. */
async function overTime(
  time: number,
  bytes: number,
  reached: (sent: number) => Promise<void>,
  stretch: (first: number) => Promise<number>,
): Promise<Measures> {
  const start = performance.now();
  const end = start + time;
  let messages = 0;
  do {
    messages += await stretch(FIRST_NUMBER + messages);
    await setImmediate();
  } while (performance.now() < end);
  await reached(messages);
  const rate = messages / ((performance.now() - start) / 1_000);
  return { values: { rate, throughput: (rate * bytes) / 1e9 }, messages };
}
