import { setTimeout as sleep } from 'node:timers/promises';
import type { Gateway } from './gateway.js';
import { showProgress } from './progress.js';
import type { KillRun, TransportName } from './results.js';
import type { Services } from './services.js';

/** The stream with the kill is shorter than the one that is measured. */
const MOST_FLIGHTS = 100_000;
/** Milliseconds between two looks at how far the stream is. */
const INTERVAL = 2;

/** Sends flights, kills their consumer with -9 when half of them are sent, and goes on sending to its successor. */
export async function killRunOver(transport: TransportName, gateway: Gateway, services: Services, flights: number): Promise<KillRun> {
  await services.keepJournal();
  await gateway.health();
  const count = Math.min(flights, MOST_FLIGHTS);
  // However late this process comes to it, the kill is in the middle: the last quarter is not sent before.
  const replay = gateway.replay(count, Math.ceil((count * 3) / 4));
  const kill = async () => {
    while ((await gateway.replayProgress()).sent < count / 2) {
      await sleep(INTERVAL);
    }
    const killing = services.killConsumer();
    await gateway.resumeReplay();
    return killing;
  };
  const [result, times] = await Promise.all([showProgress(gateway, count, `${transport}, with the kill`, replay), kill()]);
  return { transport, replay: result, ...times };
}
