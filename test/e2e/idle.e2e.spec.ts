import { describe, expect, it } from '@jest/globals';
import { eventually, startService } from '../support/index.js';

const CLIENTS = 10;
/** Milliseconds of a look. */
const LOOK = 3_000;
/** Milliseconds of CPU in a look: 2 %, what Node.js itself does on a bad day included. */
const UNMEASURABLE = 60;

describe('ten connections at idle', () => {
  it.each(['adaptive', 'blocking'])(
    'use no CPU and do not poll (%s)',
    async (polling) => {
      const service = await startService('idle', { options: { polling } });
      const clients = await startService('idle', { options: { role: 'clients', clients: CLIENTS, polling } });
      expect(await service.call('connected')).toBe(CLIENTS);
      expect(await clients.call('connected')).toBe(CLIENTS);
      // Looked at until it is quiet: what the start has left to do (compiling, collecting) is not the transport's.
      await eventually(
        async () => {
          const looks = await Promise.all([service.call('measure', LOOK), clients.call('measure', LOOK)]);
          for (const { cpu, polls, wakes } of looks) {
            expect({ polls, wakes }).toEqual({ polls: 0, wakes: 0 });
            expect(cpu).toBeLessThan(UNMEASURABLE);
          }
        },
        { within: 45_000 },
      );
    },
    90_000,
  );
});
