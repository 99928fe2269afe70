/** A client in a process of its own that emits as fast as it may, watching its own memory. */
import { RsmClient } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { setImmediate as turn } from 'node:timers/promises';
import { expose, fixtureOptions, onStop, ready } from './fixture/fixture.js';
import { Peak } from './memory.js';

const client = new RsmClient({ service: 'slow', connectTimeout: 45_000, ...fixtureOptions<{ client: object }>().client });
let emitted = 0;

/** Emits numbers from 0 with a payload of `bytes`, `parallel` at a time, each awaited. Returns how much memory that took. */
async function emit(messages: number, bytes: number, parallel: number) {
  const text = 'x'.repeat(bytes);
  await lastValueFrom(client.send('ready', {}));
  const peak = new Peak();
  const failures: string[] = [];
  const emitOn = async (): Promise<void> => {
    while (emitted < messages) {
      const n = emitted++;
      try {
        await lastValueFrom(client.emit('load', { n, text }));
      } catch (error) {
        failures.push(String(error));
      }
      // Only so that this process can be asked how far it is.
      if (n % 64 === 0) await turn();
    }
  };
  await Promise.all(Array.from({ length: parallel }, emitOn));
  return { failures, growth: peak.end() };
}

onStop(() => client.close());
expose({ emit, emitted: () => emitted, rss: () => process.memoryUsage.rss() });
ready();
