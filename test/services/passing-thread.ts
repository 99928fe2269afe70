/** A worker thread that loads @nestjs-rsm/segments, sends one message to the service `plain`, gets it back, and goes. */
import { Connector, Lane } from '@nestjs-rsm/segments';
import { parentPort, workerData } from 'node:worker_threads';

/** How a thread goes: it closes what it opened; it ends all at once; or it waits to be terminated in the midst of traffic. */
export type Departure = 'closes' | 'ends' | 'is terminated';

const { directory, departure } = workerData as { directory: string; departure: Departure };
const connector = new Connector({ service: 'plain', directory });
await connector.ready(45_000);
const [connection] = connector.connections;
const echoed = new Promise<void>((resolve) => {
  connector.onMessages = (batch) => {
    for (let i = 0; i < batch.count; i++) connector.settle(batch.delivery(i), 1);
    resolve();
  };
});
await connection!.write('hello', Lane.events);
await echoed;
if (departure === 'is terminated') {
  // Messages go on there and back, so that it is hit at any moment.
  const again = (): void => {
    connection!.write('more').catch(() => {});
    setImmediate(again);
  };
  again();
}
parentPort!.postMessage('served');
if (departure === 'closes') await connector.close();
if (departure === 'ends') process.exit(0); // of a worker: this thread only
