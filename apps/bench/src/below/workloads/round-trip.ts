import { FIRST_NUMBER } from '../../payloads.js';
import { latency, latencyMetrics } from '../../latency.js';
import type { Workload } from '../../workload.js';
import type { RawBench } from './bench.js';

/** Messages one at a time; each comes back. */
export const rawRoundTrip: Workload<RawBench> = {
  name: 'round-trip',
  metrics: latencyMetrics,
  run({ payload, time, answer }) {
    const memory = payload.create();
    return latency(
      time,
      async (number) => {
        if ((await answer(payload.write(memory, number))) !== number) throw new Error(`The answer to message ${number} is not its echo.`);
      },
      FIRST_NUMBER,
    );
  },
};
