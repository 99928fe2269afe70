import { setImmediate } from 'node:timers/promises';
import { FIRST_NUMBER } from '../../payloads.js';
import type { Workload } from '../../workload.js';
import type { RawBench } from './bench.js';

/** Messages between two looks at the clock, and two turns of the event loop. */
const STRETCH = 1_024;

/** Messages as fast as there is room for them; counted where they arrive. */
export const oneWay: Workload<RawBench> = {
  name: 'one-way',
  metrics: [
    { name: 'rate', unit: '/s', better: 'higher' },
    { name: 'throughput', unit: 'GB/s', better: 'higher' },
  ],
  async run({ connection, payload, time, reached }) {
    const memory = payload.create();
    const start = performance.now();
    const end = start + time;
    let next = FIRST_NUMBER;
    const stretch = Math.max(1, Math.min(STRETCH, Math.floor((STRETCH * 1_024) / payload.bytes)));
    do {
      for (let i = 0; i < stretch; i++) {
        const room = connection.send(payload.write(memory, next++), 'one-way');
        if (room) await room;
      }
      await setImmediate();
    } while (performance.now() < end);
    const messages = next - FIRST_NUMBER;
    await reached(messages);
    const rate = messages / ((performance.now() - start) / 1_000);
    return { values: { rate, throughput: (rate * payload.bytes) / 1e9 }, messages };
  },
};
