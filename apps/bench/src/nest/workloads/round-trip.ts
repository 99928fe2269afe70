import { lastValueFrom } from 'rxjs';
import { FIRST_NUMBER } from '../../payloads.js';
import { latency, latencyMetrics } from '../../latency.js';
import type { Workload } from '../../workload.js';
import type { NestBench } from './bench.js';

/** Requests one at a time; the reply carries the payload back. */
export const roundTrip: Workload<NestBench> = {
  name: 'round-trip',
  metrics: latencyMetrics,
  run({ client, payload, time }) {
    const memory = payload.create();
    return latency(
      time,
      async (number) => {
        const reply = payload.read(await lastValueFrom(client.send<unknown>('echo', payload.write(memory, number))));
        if (payload.numberOf(reply) !== number) throw new Error(`The reply to request ${number} is not its echo.`);
      },
      FIRST_NUMBER,
    );
  },
};
