import { FIRST_NUMBER, TAG_OFFSET } from '../../payloads.js';
import { LatencyRecorder, latencyMetrics } from '../../latency.js';
import type { Measures } from '../../suite.js';
import type { Workload } from '../../workload.js';
import { Tag } from '../tags.js';
import type { RawBench } from './bench.js';

/** Messages one at a time; each comes back. No promise stands between: the callback that takes an echo sends the next message. */
export const rawRoundTrip: Workload<RawBench> = {
  name: 'round-trip',
  metrics: latencyMetrics,
  run({ connection, payload, time, onEcho }) {
    const memory = payload.create();
    memory[TAG_OFFSET] = Tag.echo;
    const recorder = new LatencyRecorder(time);
    return new Promise<Measures>((resolve, reject) => {
      let number = FIRST_NUMBER;
      const next = (): void => void connection.send(payload.write(memory, number), 'answered')?.catch(reject);
      onEcho((came) => {
        if (came !== number++) return reject(new Error(`The answer to message ${number - 1} is not its echo.`));
        if (recorder.record()) next();
        else resolve(recorder.measures());
      });
      recorder.start();
      next();
    });
  },
};
