import { setImmediate } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import { FIRST_NUMBER, inFlight, type Payload } from '../../payloads.js';
import { checkTally, type TallyResult } from '../../tally.js';
import type { Workload } from '../../workload.js';
import type { BenchClient } from '../peers/index.js';
import type { NestBench } from './bench.js';

export const EVENTS_IN_FLIGHT = 256;

/** Events in batches, each batch awaited before the next; counted where they are handled. */
export const events: Workload<NestBench> = {
  name: 'events',
  metrics: [{ name: 'rate', unit: '/s', better: 'higher' }],
  async run({ client, payload, time, room }) {
    const start = performance.now();
    const sent = await emitFor(time, client, payload, room);
    const tally = await lastValueFrom(client.send<TallyResult>('reach', sent));
    const seconds = (performance.now() - start) / 1_000;
    checkTally(tally, sent);
    return { values: { rate: tally.handled / seconds }, messages: sent };
  },
};

/** Emits for `time` milliseconds and returns how many events, numbered from FIRST_NUMBER on. `room`: see NestBench. */
export async function emitFor(time: number, client: BenchClient, payload: Payload, room: NestBench['room']): Promise<number> {
  const memories = Array.from({ length: inFlight(payload, EVENTS_IN_FLIGHT) }, () => payload.create());
  const end = performance.now() + time;
  let next = FIRST_NUMBER;
  do {
    await Promise.all(
      memories.map((memory) => lastValueFrom(client.emit<void>('event', payload.write(memory, next++)), { defaultValue: undefined })),
    );
    await room();
    // Lets the event loop turn, as any application would.
    await setImmediate();
  } while (performance.now() < end);
  return next - FIRST_NUMBER;
}
