import { describe, expect, it } from '@jest/globals';
import { RsmClient, type RsmClientOptions, RsmRecordBuilder } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import type { JobRecord } from '../services/jobs.js';
import {
  closeAfterwards,
  eventually,
  observe,
  type Seen,
  serviceDirectory,
  type Service,
  socketsIn,
  startService,
} from '../support/index.js';

interface State {
  started: number[];
  finished: number[];
  aborted: number[];
  records: JobRecord[];
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

function newClient(options: Partial<RsmClientOptions> = {}): RsmClient {
  return closeAfterwards(new RsmClient({ service: 'jobs', directory: serviceDirectory(), ...options }));
}

async function emitAll(client: RsmClient, numbers: number[], pattern = 'job'): Promise<void> {
  await Promise.all(numbers.map((n) => lastValueFrom(client.emit(pattern, { n }))));
}

async function stateOf(service: Service): Promise<State> {
  return service.call('state');
}

async function started(service: Service, numbers: number[]): Promise<void> {
  await eventually(async () => expect((await stateOf(service)).started).toEqual(numbers));
}

/** Resolves when the client knows that its instance drains: it has another one, or none. */
async function drains(client: RsmClient): Promise<void> {
  const connector = client.unwrap<import('@nestjs-rsm/segments').Connector>();
  await eventually(() => expect([...connector.connections].some((connection) => connection.draining || !connection.open)).toBe(true));
}

describe('drain()', () => {
  it('lets running handlers finish and hands the unstarted events back, which go to another instance in order', async () => {
    const first = await startService('jobs', { options: { gated: true, server: { concurrency: 2 } } });
    const client = newClient();
    await emitAll(client, range(0, 20));
    await started(first, [0, 1]);
    const second = await startService('jobs', { options: { server: { concurrency: 1 } } });
    await eventually(() => expect(client.counters.connections).toBe(2));

    let drained = false;
    const draining = first.call('drain').then(() => (drained = true));
    await eventually(async () => expect((await stateOf(second)).finished).toEqual(range(2, 20)));
    await emitAll(client, range(20, 30));
    await eventually(async () => expect((await stateOf(second)).finished).toEqual(range(2, 30)));
    // Handed back unstarted, so it counts as their first delivery.
    expect((await stateOf(second)).records.every(({ attempt }) => attempt === 1)).toBe(true);
    expect(await stateOf(first)).toMatchObject({ started: [0, 1], finished: [] });
    expect(drained).toBe(false);

    await first.call('openGate');
    await draining;
    expect(await stateOf(first)).toMatchObject({ started: [0, 1], finished: [0, 1] });
    await first.stop();
    expect(await stateOf(second)).toMatchObject({ finished: range(2, 30) });
  });

  it('keeps the unstarted events for a successor, before newer ones', async () => {
    const first = await startService('jobs', { options: { gated: true, server: { concurrency: 1 } } });
    const client = newClient({ connectTimeout: 45_000 });
    await emitAll(client, range(0, 10));
    await started(first, [0]);
    const draining = first.call('drain');
    await drains(client);
    const later = range(10, 15).map((n) => lastValueFrom(client.emit('job', { n })));
    await first.call('openGate');
    await draining;
    await first.stop();
    const successor = await startService('jobs', { options: { server: { concurrency: 1 } } });
    await Promise.all(later);
    await eventually(async () => expect((await stateOf(successor)).finished).toEqual(range(1, 15)));
  });

  it('hands back events that wait for a handler of limited concurrency', async () => {
    const first = await startService('jobs', { options: { gated: true } });
    const client = newClient();
    await emitAll(client, range(0, 10), 'single');
    await started(first, [0]);
    const second = await startService('jobs');
    await eventually(() => expect(client.counters.connections).toBe(2));
    const draining = first.call('drain');
    await eventually(async () => expect((await stateOf(second)).finished).toEqual(range(1, 10)));
    await first.call('openGate');
    await draining;
    expect(await stateOf(first)).toMatchObject({ started: [0], finished: [0] });
  });

  it('answers running requests, and hands the unstarted to another instance', async () => {
    const first = await startService('jobs', { options: { gated: true, server: { maxRequests: 2 } } });
    const client = newClient();
    const answers = range(0, 8).map((n) => lastValueFrom(client.send('ask', { n })));
    await started(first, [0, 1]);
    const second = await startService('jobs');
    await eventually(() => expect(client.counters.connections).toBe(2));
    const draining = first.call('drain');
    expect(await Promise.all(answers.slice(2))).toEqual(range(2, 8).map((n) => ({ n, pid: second.pid })));
    await first.call('openGate');
    expect(await Promise.all(answers.slice(0, 2))).toEqual([0, 1].map((n) => ({ n, pid: first.pid })));
    await draining;
  });

  it('hands back a message whose fragments were still leaving before those that waited behind it', async () => {
    const first = await startService('jobs', {
      options: { gated: true, server: { concurrency: 1, segments: [{ partitionSize: 256, partitions: 16, spanFactor: 8 }] } },
    });
    const client = newClient();
    await client.connect();
    await lastValueFrom(client.emit('job', { n: 0 }));
    await eventually(async () => expect((await first.call('state')).started).toEqual([0]));
    // Nothing is read while it is stopped, so that it hears of its end with almost everything still to come.
    first.signal('SIGSTOP');
    const emits = [1, 2, 3].map((n) => lastValueFrom(client.emit('job', { n, filler: n === 1 ? 'x'.repeat(20_000_000) : '' })));
    const second = await startService('jobs', { options: { server: { concurrency: 1 } } });
    await eventually(() => expect(client.counters.connections).toBe(2));
    const draining = first.call('drain');
    first.signal('SIGCONT');
    await Promise.all(emits);
    await eventually(async () => expect((await second.call('state')).finished).toHaveLength(3));
    expect((await second.call('state')).finished).toEqual([1, 2, 3]);
    await first.call('openGate');
    await draining;
    expect((await first.call('state')).finished).toEqual([0]);
  });

  it('ends after drainTimeout: the unfinished events are delivered again, pending requests fail', async () => {
    const first = await startService('jobs', { options: { gated: true, server: { concurrency: 1, drainTimeout: 300 } } });
    const client = newClient({ connectTimeout: 45_000, retryDelay: 0 });
    await emitAll(client, [0, 1, 2]);
    const request = observe(client.send('ask', { n: 100 }));
    await eventually(async () => expect((await stateOf(first)).started.sort()).toEqual([0, 100]));
    await first.call('drain');
    await first.stop();
    await eventually(() => expect(first.output()).toMatch(/drainTimeout/));
    expect(await request).toMatchObject({ end: 'error', error: { code: 'RSM_CONNECTION_LOST' } });
    const successor = await startService('jobs', { options: { server: { concurrency: 1 } } });
    await eventually(async () => expect((await stateOf(successor)).finished).toEqual([0, 1, 2]));
    expect((await stateOf(successor)).records.map(({ attempt }) => attempt)).toEqual([2, 1, 1]);
  });

  it('is idempotent, and close() includes it', async () => {
    const first = await startService('jobs', { options: { delay: 100, server: { concurrency: 1 } } });
    const client = newClient({ connectTimeout: 45_000 });
    await emitAll(client, range(0, 5));
    await eventually(async () => expect((await stateOf(first)).started.length).toBeGreaterThan(0));
    await Promise.all([first.call('drain'), first.call('drain')]);
    const { started: begun, finished } = await stateOf(first);
    expect(finished).toEqual(begun);
    await first.stop();
    const successor = await startService('jobs');
    await eventually(async () => expect([...finished, ...(await stateOf(successor)).finished].sort()).toEqual(range(0, 5)));
  });
});

describe('the end of a service by SIGTERM', () => {
  it('no handler runs after its provider was destroyed where drain() is called first, and nothing is lost', async () => {
    const hybrid = await startService('hybrid');
    expect(await (await fetch(`${hybrid.info.url}/health`)).json()).toEqual({ finished: 0 });
    const client = newClient({ connectTimeout: 45_000 });
    let ended = false;
    let n = 0;
    const answers: Promise<{ n: number }>[] = [];
    const load = (async () => {
      for (; !ended; n++) {
        if (n % 10 === 9) {
          answers.push(lastValueFrom(client.send<{ n: number }>('ask', { n })));
        } else {
          await lastValueFrom(client.emit('job', { n }));
        }
      }
    })();
    await eventually(async () => expect((await hybrid.call('state')).finished.length).toBeGreaterThan(50));
    const successor = await startService('jobs');
    hybrid.signal('SIGTERM');
    expect(await hybrid.exited).toEqual({ code: 0, signal: null });
    const after = (await stateOf(successor)).finished.length;
    await eventually(async () => expect((await stateOf(successor)).finished.length).toBeGreaterThan(after + 20));
    ended = true;
    await load;
    await eventually(() => expect(hybrid.output()).toMatch(/^REPORT /m));
    const report = JSON.parse(/^REPORT (.*)$/m.exec(hybrid.output())![1]!) as { finished: number[]; tooLate: number[] };
    expect(report.tooLate).toEqual([]);
    expect((await Promise.all(answers)).map((answer) => answer.n)).toEqual(range(0, n).filter((i) => i % 10 === 9));
    await eventually(async () => {
      const all = [...report.finished, ...(await stateOf(successor)).finished];
      expect(all.sort((a, b) => a - b)).toEqual(range(0, n));
    });
  });

  it('enableShutdownHooks(): running handlers finish, the unstarted goes to the successor, no socket is left', async () => {
    const first = await startService('jobs', { options: { shutdownHooks: true, delay: 50, server: { concurrency: 1 } } });
    const client = newClient({ connectTimeout: 45_000 });
    await emitAll(client, range(0, 40));
    const request = observe(client.send('ask', { n: 1_000 }));
    await eventually(async () => expect((await stateOf(first)).started).toContain(1_000));
    first.signal('SIGTERM');
    // Nest raises the signal again when its hooks have run.
    expect(await first.exited).toEqual({ code: null, signal: 'SIGTERM' });
    expect(await request).toMatchObject({ values: [{ n: 1_000, pid: first.pid }], end: 'complete' });
    expect(socketsIn(serviceDirectory())).toEqual([]);
    const successor = await startService('jobs', { options: { server: { concurrency: 1 } } });
    await eventually(async () => expect((await stateOf(successor)).finished).toContain(39));
    const { records, finished } = await stateOf(successor);
    // None of them had begun at the first one: they come once, in order, as first deliveries.
    expect(finished).toEqual(range(finished[0]!, 40));
    expect(finished[0]).toBeGreaterThan(0);
    expect(records.every(({ attempt }) => attempt === 1)).toBe(true);
  });
});

describe('close() of a client', () => {
  it('waits until what was sent is released, and tells of it', async () => {
    const service = await startService('jobs');
    // Many times, because the end of the last message and that of the client meet.
    for (let n = 0; n < 60; n += 2) {
      await service.call('closeGate');
      const client = newClient({ closeTimeout: 45_000 });
      const confirmed = observe(client.emit('job', new RsmRecordBuilder({ n }).setConfirm().build()));
      client.emit('job', { n: n + 1 });
      await started(service, range(0, n + 2));
      let closed = false;
      const closing = client.close().then(() => (closed = true));
      await service.call('state');
      expect(closed).toBe(false);
      await service.call('openGate');
      await closing;
      expect(await confirmed).toEqual({ values: [undefined], end: 'complete' });
      expect((await stateOf(service)).finished).toEqual(range(0, n + 2));
    }
  });

  it('ends pending sends and unfinished events after closeTimeout; none hangs', async () => {
    const service = await startService('jobs', { options: { gated: true, server: { maxRequests: 1, concurrency: 1, drainTimeout: 100 } } });
    const client = newClient({ closeTimeout: 200 });
    const requests = range(0, 3).map((n) => observe(client.send('ask', { n })));
    const events = range(10, 13).map((n) => observe(client.emit('job', new RsmRecordBuilder({ n }).setConfirm().build())));
    await eventually(async () => expect((await stateOf(service)).started.length).toBe(2));
    await client.close();
    const ends = await Promise.all<Seen>([...requests, ...events]);
    ends.forEach((seen) => expect(seen).toMatchObject({ end: 'error', error: { code: 'RSM_CONNECTION_LOST' } }));
    expect(client.counters.abandonedMessages).toBeGreaterThan(0);
    await eventually(async () => expect((await stateOf(service)).aborted).toEqual([0]));
  });

  it('ends what waits for a service that is not there', async () => {
    const client = newClient({ closeTimeout: 100, connectTimeout: 45_000 });
    const ends = [observe(client.send('ask', { n: 1 })), observe(client.emit('job', { n: 2 }))];
    await client.close();
    (await Promise.all(ends)).forEach((seen) => expect(seen).toMatchObject({ end: 'error', error: { code: 'RSM_CONNECTION_LOST' } }));
  });
});

describe('a process that exits without having closed', () => {
  it('leaves no socket behind', async () => {
    const process = await startService('exits', { options: { scenario: 'a server that exits without closing' } });
    expect(await process.exited).toEqual({ code: 0, signal: null });
    await eventually(() => expect(process.output()).toMatch(/^LISTENING$/m));
    expect(socketsIn(process.directory)).toEqual([]);
  });
});

describe('a process exits by itself when it has closed', () => {
  it.each([
    'a client that has answers',
    'a client that never connected',
    'a client whose service is not there',
    'a client with a pending request',
    'a client that closed twice and was used between',
    'a server',
    'a server and its own client, after errors',
    'a server that is closed before its client',
  ])('%s', async (scenario) => {
    await startService('jobs', { options: { gated: true, server: { drainTimeout: 100 } } });
    const process = await startService('exits', { options: { scenario } });
    expect(await process.exited).toEqual({ code: 0, signal: null });
    await eventually(() => expect(process.output()).toContain('CLOSED'));
  });
});
