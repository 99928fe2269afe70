/** What clients must not be able to make a server keep, or break. */
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from '@jest/globals';
import { RsmClient, type RsmServer } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { closeAfterwards, eventually, observe, serviceDirectory } from '../support/index.js';
import { startPlainServer } from '../support/plain-server.js';

const service = 'bounds';
const newClient = (options: object = {}): RsmClient =>
  closeAfterwards(new RsmClient({ service, directory: serviceDirectory(), ...options }));

describe('a client that reads no replies', () => {
  /** Serves 'echo' in a thread of its own, and counts calls where a busy thread can see them. */
  async function startEcho(calls: SharedArrayBuffer, options: object): Promise<void> {
    const script = `
      const { workerData, parentPort } = require('node:worker_threads');
      const { RsmServer } = require(workerData.module);
      const calls = new Int32Array(workerData.calls);
      const server = new RsmServer(workerData.options);
      server.addHandler('echo', async (data) => (Atomics.add(calls, 0, 1), data), false);
      server.listen((error) => parentPort.postMessage(error ? String(error) : 'listening'));
      parentPort.once('message', () => server.close().then(() => parentPort.close()));`;
    const worker = new Worker(script, {
      eval: true,
      workerData: { module: createRequire(pathToFileURL(`${process.cwd()}/package.json`)).resolve('nestjs-rsm'), calls, options },
    });
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    expect(await new Promise((resolve) => worker.once('message', resolve))).toBe('listening');
    closeAfterwards({
      close: () => {
        worker.postMessage('close');
        return ended;
      },
    });
  }

  it('has no more requests begun than its replies find room for, and maxRequests', async () => {
    const calls = new SharedArrayBuffer(4);
    const [maxRequests, maxQueuedMessages, partitions] = [8, 16, 32];
    await startEcho(calls, { service, directory: serviceDirectory(), maxRequests, maxQueuedMessages, codec: 'json' });
    const client = newClient({ segments: [{ partitionSize: 64, partitions, spanFactor: 1 }], closeTimeout: 1 });
    await lastValueFrom(client.send('echo', 0));
    // The loop of this thread does not turn meanwhile: replies stay where they are.
    const count = new Int32Array(calls);
    const most = 1 + maxRequests + maxQueuedMessages + partitions;
    const ends: Promise<string>[] = [];
    const end = performance.now() + 20_000;
    for (let sent = 0; sent < 4 * most && performance.now() < end; sent++) {
      ends.push(observe(client.send('echo', sent)).then((seen) => seen.end));
      const before = Atomics.load(count, 0);
      for (const until = performance.now() + 5; performance.now() < until && Atomics.load(count, 0) === before;);
    }
    expect(Atomics.load(count, 0)).toBeGreaterThan(maxQueuedMessages);
    expect(Atomics.load(count, 0)).toBeLessThanOrEqual(most);
    // All of them end, one way or another.
    expect(await Promise.all(ends)).toHaveLength(ends.length);
    expect(await lastValueFrom(client.send('echo', 'well'))).toBe('well');
  });
});

describe('requests that are given up while they wait for a busy handler', () => {
  it('are not kept', async () => {
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const server = closeAfterwards(
      await startPlainServer(
        { service, directory: serviceDirectory() },
        { pattern: 'slow', extras: { concurrency: 1 }, handle: () => gate },
        { pattern: 'echo', handle: (data) => data },
      ),
    );
    const client = newClient();
    const first = observe(client.send('slow', 0));
    await eventually(() => expect(server.counters.requests).toBe(1));
    for (let i = 1; i <= 2_000; i++) {
      client.send('slow', i).subscribe().unsubscribe();
      if (i % 100 === 0) await lastValueFrom(client.send('echo', i));
    }
    await eventually(() => expect(server.counters.cancelledRequests).toBe(2_000));
    expect(waitingAt(server)).toBeLessThan(200);
    open();
    expect((await first).end).toBe('complete');
  });

  function waitingAt(server: RsmServer): number {
    const { registry } = server as unknown as { registry: { handlerLimits(): { waiting: unknown[] }[] } };
    return registry.handlerLimits().reduce((count, limit) => count + limit.waiting.length, 0);
  }
});

describe('patterns that are JSON, but no pattern', () => {
  it.each(['null', 'true', 'false', '[]', '7', '{"a":null}'])('%s does no harm to a server with wildcards', async (pattern) => {
    const heard: unknown[] = [];
    const server = closeAfterwards(
      await startPlainServer(
        { service, directory: serviceDirectory(), wildcards: true },
        { pattern: 'a.*', handle: (data) => data },
        { pattern: '>', isEvent: true, handle: (data) => void heard.push(data) },
      ),
    );
    const client = newClient();
    await lastValueFrom(client.emit(pattern, 'event'));
    expect(await lastValueFrom(client.send('a.b', 1))).toBe(1);
    await eventually(() => expect(heard).toEqual(['event']));
    expect(server.counters.brokenConnections).toBe(0);
  });
});

describe('a deserializer of the server', () => {
  const broken = {
    get data(): never {
      throw new Error('no data');
    },
    pattern: 'echo',
  };

  it.each([
    ['at once', (packet: any) => (packet.data === 'bad' ? broken : packet)],
    ['later', async (packet: any) => (packet.data === 'bad' ? broken : packet)],
  ])('whose packet cannot be used, %s, fails that request only', async (_, deserialize) => {
    const server = closeAfterwards(
      await startPlainServer(
        { service, directory: serviceDirectory(), deserializer: { deserialize } as never },
        { pattern: 'echo', handle: (data) => data },
      ),
    );
    const client = newClient();
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    expect(await observe(client.send('echo', 'bad'))).toMatchObject({ end: 'error', error: { message: 'Internal server error' } });
    expect(await lastValueFrom(client.send('echo', 'good'))).toBe('good');
    process.off('unhandledRejection', note);
    expect([unhandled, server.counters.brokenConnections]).toEqual([[], 0]);
  });
});
