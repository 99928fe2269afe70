import { describe, expect, it } from '@jest/globals';
import type { Connector } from '@nestjs-rsm/segments';
import { RsmClient, type RsmClientOptions, RsmError } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { closeAfterwards, eventually, observe, serviceDirectory, startService } from '../support/index.js';

const MIB = 1024 * 1024;
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

function newClient(options: Partial<RsmClientOptions> = {}): RsmClient {
  return closeAfterwards(new RsmClient({ service: 'jobs', directory: serviceDirectory(), ...options }));
}

/** Emits without awaiting, in one turn of the loop, until one has failed; returns how many had been accepted. */
function burst(client: RsmClient, payload: (n: number) => object, most: number): { accepted: number; errors: unknown[] } {
  const errors: unknown[] = [];
  let accepted = 0;
  for (let n = 0; n < most && errors.length === 0; n++) {
    // A failed emit tells at once, an accepted one when it is committed.
    client.emit('job', payload(n)).subscribe({ error: (error: unknown) => errors.push(error) });
    if (errors.length === 0) accepted++;
  }
  return { accepted, errors };
}

describe('a receiver that is slower than its senders', () => {
  it.each([
    { emitters: 'one after the other', parallel: 1 },
    { emitters: '256 at once', parallel: 256 },
  ])(
    'awaited events, $emitters: nothing is lost and both sides stay small',
    async ({ parallel }) => {
      const messages = 5_000;
      const slow = await startService('slow', { options: { inOrder: true } });
      const emitter = await startService('emitter');
      const { failures, growth } = await emitter.call('emit', messages, 64 * 1024, parallel);
      expect(failures).toEqual([]);
      await eventually(async () => expect((await slow.call('state')).received).toBe(messages));
      expect(await slow.call('state')).toMatchObject({
        received: messages,
        sum: (messages * (messages - 1)) / 2,
        bytes: messages * 64 * 1024,
        misplaced: 0,
      });
      // 313 MiB went through; what is left in flight are segments of 8 MiB and what the emitters hold.
      expect(growth).toBeLessThan(160 * MIB);
      expect((await slow.call('state')).growth).toBeLessThan(160 * MIB);
    },
    180_000,
  );
});

describe('a burst of emits that nobody awaits', () => {
  const segments = [{ partitionSize: 256, partitions: 8, spanFactor: 4 }];

  it('meets RSM_BACKPRESSURE when maxQueuedBytes are used up, not before', async () => {
    const service = await startService('jobs', { options: { gated: true, server: { segments, concurrency: 1 } } });
    const client = newClient({ maxQueuedBytes: 10_000 });
    const emitErrors: string[] = [];
    client.on('emitError', (error) => emitErrors.push((error as RsmError).code));
    // One is in its handler and the partitions are full: all that follow have to queue.
    await Promise.all(range(0, 8).map((n) => lastValueFrom(client.emit('job', { n }))));
    await eventually(async () => expect((await service.call('state')).started).toEqual([0]));
    const { budget } = client.unwrap<Connector>();
    expect(budget).toMatchObject({ bytes: 0, messages: 0 });

    client.emit('job', { n: 8, text: 'x'.repeat(100) });
    const size = budget.bytes;
    expect(size).toBeGreaterThan(100);
    const { accepted, errors } = burst(client, () => ({ n: 9, text: 'x'.repeat(100) }), Math.floor(10_000 / size) - 2);
    expect(errors).toEqual([]);
    expect(budget).toMatchObject({ bytes: (1 + accepted) * size, messages: 1 + accepted });

    // To the byte: a message of exactly what is left is taken, one of a byte more is not.
    const filler = 10_000 - budget.bytes - (size - 100);
    expect(filler).toBeGreaterThan(0);
    const refused = burst(client, () => ({ n: 9, text: 'x'.repeat(filler + 1) }), 1);
    expect(refused.errors).toMatchObject([{ code: 'RSM_BACKPRESSURE' }]);
    expect(burst(client, () => ({ n: 9, text: 'x'.repeat(filler) }), 1).errors).toEqual([]);
    expect(budget.bytes).toBe(10_000);
    const queued = budget.messages;
    client.emit('job', { n: 10 });
    client.emit('job', { n: 10 });
    await eventually(() => expect(emitErrors).toEqual(['RSM_BACKPRESSURE', 'RSM_BACKPRESSURE']));
    expect(client.counters.unobservedFailures).toBe(2);

    // What was accepted arrives, in order; what was refused does not.
    await service.call('openGate');
    await eventually(async () => expect((await service.call('state')).finished).toHaveLength(8 + queued));
    expect((await service.call('state')).finished).toEqual([...range(0, 9), ...Array<number>(queued - 1).fill(9)]);
    expect(budget).toMatchObject({ bytes: 0, messages: 0 });
    await lastValueFrom(client.emit('job', { n: 11 }));
  });

  it('meets it at maxQueuedMessages too, and before anybody serves', async () => {
    const client = newClient({ maxQueuedMessages: 25, connectTimeout: 45_000 });
    const { accepted, errors } = burst(client, (n) => ({ n }), 1_000);
    expect(accepted).toBe(25);
    expect(errors).toMatchObject([{ code: 'RSM_BACKPRESSURE' }]);
    // Requests count too.
    expect(await observe(client.send('echo', 1))).toMatchObject({ error: { code: 'RSM_BACKPRESSURE' } });
    const service = await startService('jobs', { options: { server: { concurrency: 1 } } });
    await eventually(async () => expect((await service.call('state')).finished).toEqual(range(0, 25)));
    expect(client.unwrap<Connector>().budget).toMatchObject({ bytes: 0, messages: 0 });
  });

  it('one message alone always fits', async () => {
    const client = newClient({ maxQueuedBytes: 10, connectTimeout: 45_000 });
    const large = lastValueFrom(client.emit('digest', 'x'.repeat(1_000_000)));
    expect(await observe(client.emit('job', { n: 1 }))).toMatchObject({ error: { code: 'RSM_BACKPRESSURE' } });
    await startService('jobs');
    await large;
    await eventually(async () => expect(await lastValueFrom(client.send<string[]>('digests', {}))).toHaveLength(1));
  });
});

describe('processes that flood each other', () => {
  const small = { segments: [{ partitionSize: 512, partitions: 16, spanFactor: 8 }] };

  it.each([
    { requests: 5_000, depth: 0, maxRequests: 1_000 },
    // Requests whose handlers ask back hold their place in maxRequests until they are answered: all that are under way must have one.
    { requests: 900, depth: 1, maxRequests: 1_000 },
    { requests: 2_000, depth: 2, maxRequests: 10_000 },
  ])(
    'with $requests requests both ways at once that ask back $depth deep, do not deadlock',
    async ({ requests, depth, maxRequests }) => {
      const [a, b] = await Promise.all([
        startService('mutual', { options: { name: 'a', other: 'b', common: small, server: { maxRequests } } }),
        startService('mutual', { options: { name: 'b', other: 'a', common: small, server: { maxRequests } } }),
      ]);
      const answered = await Promise.all([a.call('flood', requests, 3_000, depth), b.call('flood', requests, 3_000, depth)]);
      expect(answered).toEqual([requests, requests]);
    },
    120_000,
  );

  it('with events whose handlers need answers from the other side, do not deadlock', async () => {
    const [a, b] = await Promise.all([
      startService('mutual', { options: { name: 'a', other: 'b', common: small } }),
      startService('mutual', { options: { name: 'b', other: 'a', common: small } }),
    ]);
    await Promise.all([a.call('tasks', 500, 3_000), b.call('tasks', 500, 3_000)]);
    await eventually(async () => expect([await a.call('handled'), await b.call('handled')]).toEqual([500, 500]));
  }, 120_000);

  it.each([
    { what: 'roomy segments', common: { concurrency: 1 } },
    { what: 'segments that its own events fill', common: { concurrency: 1, ...small } },
  ])('a service that requests itself from its event handlers with concurrency 1 does not deadlock: $what', async ({ common }) => {
    const { concurrency, ...both } = common as { concurrency: number };
    const self = await startService('mutual', { options: { name: 'a', other: 'a', common: both, server: { concurrency } } });
    await self.call('tasks', 300, 2_000);
    await eventually(async () => expect(await self.call('handled')).toBe(300));
  });
});

describe('a slow consumer of a reply of many values', () => {
  const client = { segments: [{ partitionSize: 1_024, partitions: 64, spanFactor: 16 }] };

  it('gets every value in order, as long as they fit the queue of the server', async () => {
    const service = await startService('jobs', { options: { server: { maxQueuedBytes: 16 * MIB } } });
    const caller = await startService('caller', { options: { client } });
    await caller.call('connect');
    await caller.call('stream', 1, 1);
    await eventually(async () => expect((await caller.call('streams'))[0].end).toBe('complete'));
    await caller.call('stream', 2_000, 4_000);
    caller.signal('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 300));
    caller.signal('SIGCONT');
    await eventually(async () => expect((await caller.call('streams'))[1]).toEqual({ values: range(0, 2_000), end: 'complete' }));
    expect((await service.call('serverCounters')).backpressureErrors).toBe(0);
  });

  it('loses the rest with RSM_BACKPRESSURE beyond maxQueuedBytes; other requests go on', async () => {
    const service = await startService('jobs', { options: { server: { maxQueuedBytes: MIB } } });
    const caller = await startService('caller', { options: { client } });
    await caller.call('stream', 20_000, 4_000);
    await eventually(async () => expect((await caller.call('streams'))[0].end).toBe('error'));
    const [{ values, error }] = await caller.call('streams');
    expect(error).toMatchObject({ code: 'RSM_BACKPRESSURE' });
    expect(values).toEqual(range(0, values.length));
    expect(values.length).toBeGreaterThanOrEqual(Math.floor(MIB / 4_100));
    expect(values.length).toBeLessThan(20_000);
    expect((await service.call('serverCounters')).backpressureErrors).toBe(1);
    await caller.call('stream', 10, 10);
    await eventually(async () => expect((await caller.call('streams'))[1]).toEqual({ values: range(0, 10), end: 'complete' }));
  });
});
