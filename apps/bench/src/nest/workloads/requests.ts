import { lastValueFrom } from 'rxjs';
import { FIRST_NUMBER, inFlight } from '../../payloads.js';
import type { Workload } from '../../workload.js';
import type { NestBench } from './bench.js';

export const REQUESTS_IN_FLIGHT = 64;

/** Requests, many at once (fewer of a large payload); each reply carries the payload back. */
export const requests: Workload<NestBench> = {
  name: 'requests',
  metrics: [{ name: 'rate', unit: '/s', better: 'higher' }],
  async run({ client, payload, time }) {
    const start = performance.now();
    const end = start + time;
    let next = FIRST_NUMBER;
    const oneAfterTheOther = async (): Promise<void> => {
      const memory = payload.create();
      do {
        const number = next++;
        const reply = payload.read(await lastValueFrom(client.send<unknown>('echo', payload.write(memory, number))));
        if (payload.numberOf(reply) !== number) throw new Error(`The reply to request ${number} is not its echo.`);
      } while (performance.now() < end);
    };
    await Promise.all(Array.from({ length: inFlight(payload, REQUESTS_IN_FLIGHT) }, oneAfterTheOther));
    const messages = next - FIRST_NUMBER;
    return { values: { rate: messages / ((performance.now() - start) / 1_000) }, messages };
  },
};
