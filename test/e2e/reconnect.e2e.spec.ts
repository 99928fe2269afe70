import { describe, expect, it } from '@jest/globals';
import { RsmClient, type RsmClientOptions, RsmRecordBuilder } from 'nestjs-rsm';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import type { JobRecord } from '../services/jobs.js';
import { closeAfterwards, eventually, observe, serviceDirectory, type Service, startService } from '../support/index.js';

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

function newClient(options: Partial<RsmClientOptions> = {}): RsmClient {
  return closeAfterwards(new RsmClient({ service: 'jobs', directory: serviceDirectory(), ...options }));
}

async function recordsOf(service: Service): Promise<JobRecord[]> {
  return (await service.call('state')).records;
}

async function startedNumbers(service: Service): Promise<number[]> {
  return (await recordsOf(service)).map(({ n }) => n).sort((a, b) => a - b);
}

describe('a client that is there before the server', () => {
  it('waits up to connectTimeout, then fails with RSM_UNREACHABLE, which names the folder', async () => {
    const client = newClient({ connectTimeout: 300 });
    const began = performance.now();
    const failures = await Promise.all([
      observe(client.send('echo', 1)),
      observe(client.emit('job', { n: 1 })),
      client.connect().then(
        () => ({ error: undefined }),
        (error: unknown) => ({ error }),
      ),
    ]);
    expect(performance.now() - began).toBeGreaterThanOrEqual(295);
    failures.forEach(({ error }) => {
      expect(error).toMatchObject({ code: 'RSM_UNREACHABLE' });
      expect(String((error as Error).message)).toContain(`${serviceDirectory()}/jobs`);
    });
    // It can be used when the service has come.
    await startService('jobs');
    expect(await lastValueFrom(client.send('echo', 'now'))).toBe('now');
  });

  it('sends what it was given meanwhile when the server comes, in order', async () => {
    const client = newClient({ connectTimeout: 45_000 });
    const answer = lastValueFrom(client.send('echo', 'waited'));
    const connecting = client.connect();
    const emits = range(0, 200).map((n) => lastValueFrom(client.emit('job', { n })));
    let settled = false;
    void Promise.race([answer, connecting, ...emits]).then(() => (settled = true));
    await sleep(100);
    expect(settled).toBe(false);
    const service = await startService('jobs', { options: { server: { concurrency: 1 } } });
    await Promise.all([connecting, ...emits]);
    expect(await answer).toBe('waited');
    await eventually(async () => expect((await service.call('state')).finished).toEqual(range(0, 200)));
  });
});

describe('a server that is started again', () => {
  it('has its clients back by themselves', async () => {
    const client = newClient({ connectTimeout: 45_000 });
    const status: string[] = [];
    client.status.subscribe((value) => status.push(value));
    for (let round = 1; round <= 3; round++) {
      const service = await startService('jobs');
      expect(await lastValueFrom(client.send('who', {}))).toBe(service.pid);
      await lastValueFrom(client.emit('job', new RsmRecordBuilder({ n: round }).setConfirm().build()));
      expect((await service.call('state')).finished).toEqual([round]);
      expect(client.counters.connections).toBe(round);
      await (round === 2 ? service.kill() : service.stop());
    }
    await eventually(() => expect(status).toEqual(['connected', 'disconnected', 'connected', 'disconnected', 'connected', 'disconnected']));
  });

  it('loses nothing of a stream of awaited events, killed or not', async () => {
    const client = newClient({ connectTimeout: 45_000 });
    let running = true;
    let n = 0;
    const emitting = (async () => {
      for (; running; n++) {
        await lastValueFrom(client.emit('job', { n }));
        if (n % 5 === 0) await sleep(1);
      }
    })();
    const seen = new Set<number>();
    let repeated = 0;
    const note = (numbers: number[]): void => numbers.forEach((number) => (seen.has(number) ? repeated++ : seen.add(number)));
    for (let round = 0; round < 3; round++) {
      const service = await startService('jobs', { options: { server: { concurrency: 1 } } });
      await eventually(async () => expect((await service.call('state')).finished.length).toBeGreaterThan(50));
      // What it would handle between the look and its end would not be seen.
      await service.call('drain');
      note((await service.call('state')).finished);
      await (round === 1 ? service.kill() : service.stop());
    }
    running = false;
    const last = await startService('jobs', { options: { server: { concurrency: 1 } } });
    await emitting;
    await eventually(async () => {
      const rest: number[] = (await last.call('state')).finished;
      expect(new Set([...seen, ...rest]).size).toBe(n);
    });
    note((await last.call('state')).finished);
    expect([...seen].sort((a, b) => a - b)).toEqual(range(0, n));
    expect(repeated).toBe(0);
  });
});

describe('a server that is killed', () => {
  it('running requests fail with RSM_CONNECTION_LOST; idempotent ones and those that had not started are answered by another instance', async () => {
    const victim = await startService('jobs', { options: { gated: true, server: { maxRequests: 3 } } });
    const client = newClient();
    const running = [0, 1].map((n) => observe(client.send('ask', { n })));
    const idempotent = observe(client.send('ask', new RsmRecordBuilder({ n: 2 }).setIdempotent().build()));
    const unstarted = range(3, 8).map((n) => observe(client.send('ask', { n })));
    await eventually(async () => expect(await startedNumbers(victim)).toEqual([0, 1, 2]));
    const other = await startService('jobs');
    await eventually(() => expect(client.counters.connections).toBe(2));
    await victim.kill();
    for (const seen of await Promise.all(running)) {
      expect(seen).toMatchObject({ values: [], end: 'error', error: { code: 'RSM_CONNECTION_LOST' } });
      expect(seen.error.message).toContain(String(victim.pid));
    }
    expect(await idempotent).toMatchObject({ values: [{ n: 2, pid: other.pid }], end: 'complete' });
    (await Promise.all(unstarted)).forEach((seen, i) =>
      expect(seen).toMatchObject({ values: [{ n: 3 + i, pid: other.pid }], end: 'complete' }),
    );
    const attempts = (await recordsOf(other)).sort((a, b) => a.n - b.n).map(({ n, attempt }) => [n, attempt]);
    expect(attempts).toEqual([2, 3, 4, 5, 6, 7].map((n) => [n, n === 2 ? 2 : 1]));
  });

  it('unreleased events reach the successor in order, the started ones with an attempt more', async () => {
    const victim = await startService('jobs', { options: { gated: true, server: { concurrency: 2 } } });
    const client = newClient({ connectTimeout: 45_000, retryDelay: 0 });
    await Promise.all(range(0, 30).map((n) => lastValueFrom(client.emit('job', { n }))));
    await eventually(async () => expect(await startedNumbers(victim)).toEqual([0, 1]));
    await victim.kill();
    const later = lastValueFrom(client.emit('job', { n: 30 }));
    const successor = await startService('jobs', { options: { server: { concurrency: 1 } } });
    await later;
    await eventually(async () => expect((await successor.call('state')).finished).toEqual(range(0, 31)));
    expect((await recordsOf(successor)).map(({ attempt }) => attempt)).toEqual(range(0, 31).map((n) => (n < 2 ? 2 : 1)));
    expect(client.counters.redeliveries).toBe(30);
  });

  it('events that wait in the client for room go to the successor too', async () => {
    const segments = [{ partitionSize: 128, partitions: 4, spanFactor: 2 }];
    const victim = await startService('jobs', { options: { gated: true, server: { concurrency: 1, segments } } });
    const client = newClient({ connectTimeout: 45_000, retryDelay: 0 });
    const emits = range(0, 100).map((n) => observe(client.emit('job', { n })));
    await eventually(async () => expect(await startedNumbers(victim)).toEqual([0]));
    await victim.kill();
    const successor = await startService('jobs', { options: { server: { concurrency: 1, segments } } });
    (await Promise.all(emits)).forEach((seen) => expect(seen.end).toBe('complete'));
    await eventually(async () => expect((await successor.call('state')).finished).toEqual(range(0, 100)));
  });

  it('is not missed by a client that only stopped for a while: a stopped server is alive', async () => {
    const service = await startService('jobs', { options: { server: { concurrency: 1 } } });
    const client = newClient({ connectTimeout: 300 });
    await client.connect();
    service.signal('SIGSTOP');
    const emits = range(0, 10).map((n) => lastValueFrom(client.emit('job', { n })));
    const answer = lastValueFrom(client.send('echo', 'patient'));
    await sleep(1_000); // longer than connectTimeout
    service.signal('SIGCONT');
    expect(await answer).toBe('patient');
    await Promise.all(emits);
    await eventually(async () => expect((await service.call('state')).finished).toEqual(range(0, 10)));
    expect(client.counters.connections).toBe(1);
  });
});
