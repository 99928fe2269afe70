import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { RsmClient, type RsmClientOptions, type RsmLoan, RsmRecordBuilder, type RsmServerOptions } from 'nestjs-rsm';
import { lastValueFrom, toArray } from 'rxjs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bytesOf, digestOf } from '../services/random-payload.js';
import type { Look } from '../services/zero-copy.js';
import { closeAfterwards, eventually, observe, serviceDirectory, type Service, startService } from '../support/index.js';

const SIZE = 100_000;

let service: Service;
let client: RsmClient;

function newClient(options: Partial<RsmClientOptions> = {}): RsmClient {
  return closeAfterwards(new RsmClient({ service: 'zero-copy', directory: serviceDirectory(), retryDelay: 1, ...options }));
}

function newService(server: Partial<RsmServerOptions> = {}): Promise<Service> {
  return startService('zero-copy', { options: { server } });
}

/** A loan that is filled with bytes of this seed. */
async function filled(seed: number, size = SIZE, from = client): Promise<{ loan: RsmLoan; digest: string }> {
  const loan = await from.loan(size);
  const bytes = bytesOf(seed, size);
  loan.buffer.set(bytes);
  return { loan, digest: digestOf(bytes) };
}

const confirmed = (data: unknown) => new RsmRecordBuilder(data).setConfirm().build();
const emitted = (pattern: string, data: unknown): Promise<unknown> =>
  lastValueFrom(client.emit(pattern, data), { defaultValue: undefined });
const handled = (pattern: string, data: unknown): Promise<unknown> => emitted(pattern, confirmed(data));
const looks = (): Promise<Look[]> => service.call('looks');
const held = (count: number): Promise<void> => eventually(async () => expect(await service.call('held')).toBe(count));

/** Partitions of the client's outgoing channels that are not free. */
function taken(of = client): number {
  // An idle client learns of releases when it looks.
  of.unwrap().connections.forEach(({ inFlight }) => inFlight);
  const groups = of.unwrap().segmentGroupTable();
  return groups.filter(({ direction }) => direction === 'out').reduce((sum, { partitionsTaken }) => sum + partitionsTaken, 0);
}

/** Messages that the client has sent over its outgoing channels, by the memory they lay in. */
const inPlace = (): number => client.unwrap().counters()['bytesSent']!;

describe('a loan', () => {
  beforeEach(async () => {
    service = await newService();
    client = newClient();
    await client.connect();
  });

  it('arrives as it was filled, as event and as request, and has no bytes once it is sent', async () => {
    const event = await filled(1);
    const part = event.loan.buffer.subarray(10, 20);
    expect([event.loan.buffer.length, event.loan.ended]).toEqual([SIZE, false]);
    expect(event.loan.buffer.byteOffset % 64).toBe(0);
    const sending = handled('copied', event.loan);
    expect([event.loan.buffer.length, part.length, event.loan.ended]).toEqual([0, 0, true]);
    await sending;
    expect(await looks()).toEqual([{ handler: 'copied', bytes: SIZE, digest: event.digest, attempt: 1 }]);

    const request = await filled(2);
    const reply = lastValueFrom(client.send<Buffer>('echo', request.loan));
    expect(request.loan.buffer).toHaveLength(0);
    expect(digestOf(await reply)).toBe(request.digest);
    await eventually(() => expect(taken()).toBe(0));
  });

  it('carries headers, and arrives by copy where they are longer than its room', async () => {
    for (const text of ['short', 'long'.repeat(500)]) {
      const { loan, digest } = await filled(3);
      await emitted('copied', new RsmRecordBuilder(loan).setHeaders({ text }).setConfirm().build());
      expect(await looks()).toEqual([expect.objectContaining({ digest, bytes: SIZE })]);
      expect(loan.ended).toBe(true);
    }
    expect(inPlace()).toBeGreaterThan(2 * SIZE);
  });

  it('is cut by shrink(), which frees the rest', async () => {
    const loan = await client.loan(1_000_000);
    const before = taken();
    const bytes = bytesOf(4, 50_000);
    loan.buffer.set(bytes);
    await service.call('hold');
    await emitted('copied', loan.shrink(50_000));
    expect(taken()).toBeLessThan(before);
    await service.call('open');
    await eventually(async () => expect(await looks()).toEqual([expect.objectContaining({ bytes: 50_000, digest: digestOf(bytes) })]));
    const other = await client.loan(10);
    expect(() => other.shrink(11)).toThrow(expect.objectContaining({ code: 'RSM_INVALID_OPTIONS' }));
    await handled('copied', other.shrink(0));
    expect(await looks()).toEqual([expect.objectContaining({ bytes: 0 })]);
  });

  it('given back is free again; used twice, or as a part of a value, it is refused', async () => {
    const { loan } = await filled(5);
    loan.giveBack();
    loan.giveBack();
    expect([loan.buffer.length, taken()]).toEqual([0, 0]);
    for (const outcome of [observe(client.emit('copied', loan)), observe(client.send('echo', loan))]) {
      expect((await outcome).error).toMatchObject({ code: 'RSM_INVALID_OPTIONS', message: expect.stringContaining('loan()') });
    }
    const other = await filled(6);
    expect((await observe(client.emit('copied', { loan: other.loan }))).error).toMatchObject({ code: 'RSM_INVALID_OPTIONS' });
    other.loan.giveBack();
    await expect(client.loan(-1)).rejects.toMatchObject({ code: 'RSM_INVALID_OPTIONS' });
    await expect(client.loan(2 ** 30)).rejects.toMatchObject({ code: 'RSM_MESSAGE_TOO_LARGE' });
    expect(taken()).toBe(0);
  });

  it('longer than the largest span is sent all the same', async () => {
    const { loan, digest } = await filled(7, 5_000_000);
    await handled('frame', loan);
    expect((await looks())[0]).toEqual({ handler: 'frame', bytes: 5_000_000, digest, attempt: 1 });
  });

  it('that is forgotten is given back, with a warning', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    try {
      await (async () => void (await filled(8)))();
      expect(taken()).toBeGreaterThan(0);
      await eventually(() => {
        collect();
        expect(client.counters.lostLoans).toBe(1);
      });
      expect(taken()).toBe(0);
      expect(warn).toHaveBeenCalledWith(expect.stringContaining('giveBack()'));
    } finally {
      warn.mockRestore();
    }
  });

  it('that comes back is delivered again, whole', async () => {
    const { loan, digest } = await filled(9);
    await handled('retried', loan);
    expect(await looks()).toEqual([1, 2].map((attempt) => ({ handler: 'retried', bytes: SIZE, digest, attempt })));
  });

  it('keeps the order of commits, whatever was lent before', async () => {
    const loans = [await filled(10, 6_000), await filled(11, 6_000)];
    client.emit('serial', bytesOf(1, 5_000));
    client.emit('serial', loans[1]!.loan);
    client.emit('serial', bytesOf(2, 5_000));
    await handled('serial', loans[0]!.loan);
    expect((await looks()).map(({ digest }) => digest)).toEqual([
      digestOf(bytesOf(1, 5_000)),
      loans[1]!.digest,
      digestOf(bytesOf(2, 5_000)),
      loans[0]!.digest,
    ]);
  });

  it('waits for room, so that loans alone cannot overrun a receiver, and each arrives', async () => {
    const count = 40; // ten times what fits
    await service.call('hold');
    const digests: string[] = [];
    let sent = 0;
    const sending = (async () => {
      for (let i = 0; i < count; i++) {
        const { loan, digest } = await filled(i, 1_000_000);
        digests.push(digest);
        await emitted('serial', loan);
        sent++;
      }
    })();
    await eventually(() => expect(sent).toBeGreaterThan(1));
    await lastValueFrom(client.send('barrier', 0));
    expect(sent).toBeLessThan(count);
    await service.call('open');
    await sending;
    await eventually(() => expect(taken()).toBe(0));
    expect((await looks()).map(({ digest }) => digest)).toEqual(digests);
  });

  it('goes to another instance where its own has died, as do unfinished ones', async () => {
    const doomed = service;
    await doomed.call('hold');
    const first = await filled(12);
    const second = await filled(13);
    await emitted('frame', first.loan);
    await eventually(async () => expect(await doomed.call('held')).toBe(1));
    service = await newService();
    await doomed.kill();
    await eventually(() => expect(client.unwrap().connections.size).toBe(1));
    expect(digestOf(second.loan.buffer)).toBe(second.digest);
    await handled('frame', second.loan);
    expect(second.loan.buffer).toHaveLength(0);
    const seen = await eventually(async () => {
      const all = await looks();
      expect(all.length).toBeGreaterThan(0);
      return all;
    });
    await eventually(async () => {
      seen.push(...(await looks()));
      expect(seen.filter(({ handler }) => handler === 'frame').map(({ digest, attempt }) => [digest, attempt])).toEqual(
        expect.arrayContaining([
          [first.digest, 2],
          [second.digest, 1],
        ]),
      );
    });
  });

  it('is copied to each instance of a broadcast, and to the home of a key', async () => {
    const other = await newService();
    await eventually(() => expect(client.unwrap().connections.size).toBe(2));
    const { loan, digest } = await filled(14);
    await emitted('copied', new RsmRecordBuilder(loan).setRouting('broadcast').setConfirm().build());
    for (const instance of [service, other]) {
      expect(await instance.call('looks')).toEqual([expect.objectContaining({ digest })]);
    }
    for (const key of ['a', 'b', 'c', 'd']) {
      await emitted('copied', new RsmRecordBuilder((await filled(15)).loan).setKey(key).setConfirm().build());
    }
    const seen = [...(await service.call('looks')), ...(await other.call('looks'))] as Look[];
    expect(seen.map((one) => one.digest)).toEqual(Array(4).fill(digestOf(bytesOf(15, SIZE))));
    await eventually(() => expect(taken()).toBe(0));
  });

  it('of a client that is closed cannot be sent by it, and can when it is used again', async () => {
    const { loan, digest } = await filled(16);
    await client.close();
    expect(digestOf(loan.buffer)).toBe(digest);
    await handled('copied', loan);
    expect(await looks()).toEqual([expect.objectContaining({ digest })]);
  });

  it('that is still awaited when its client is closed is refused, and connects nothing again', async () => {
    const own = newClient({ closeTimeout: 0, connectTimeout: 100 });
    await service.call('hold');
    await lastValueFrom(own.emit('copied', bytesOf(1, 10)), { defaultValue: undefined });
    await held(1);
    const drained = service.call('drain');
    await eventually(() => expect([...own.unwrap().connections][0]).toMatchObject({ draining: true }));
    const awaited = own.loan(10).catch((error: unknown) => error);
    await own.close();
    expect(await awaited).toMatchObject({ code: 'RSM_CONNECTION_LOST' });
    await service.call('open');
    await drained;
  });

  it('takes the way of a serializer where its client has one', async () => {
    const own = newClient({ serializer: { serialize: (packet: object) => packet } });
    const { loan, digest } = await filled(17, SIZE, own);
    await lastValueFrom(own.emit('copied', confirmed(loan)), { defaultValue: undefined });
    expect(loan.ended).toBe(true);
    expect(await looks()).toEqual([expect.objectContaining({ digest })]);
  });

  it('with a client that is killed leaves nothing at the service', async () => {
    await emitted('copied', Buffer.alloc(10));
    const before = await service.call('residue');
    const lender = await startService('lender');
    await lender.call('borrow', 50_000);
    await lender.call('borrow', 50_000);
    await service.call('hold');
    await lender.call('emit', 'frame');
    await held(1);
    await lender.kill();
    await service.call('open');
    await eventually(async () => expect((await looks()).at(-1)).toMatchObject({ handler: 'frame after the gate', bytes: 50_000 }));
    await service.call('collect');
    await eventually(async () => expect(await service.call('residue')).toEqual(before));
  });

  it('needs an instance', async () => {
    const alone = closeAfterwards(new RsmClient({ service: 'nobody', directory: serviceDirectory(), connectTimeout: 50 }));
    await expect(alone.loan(10)).rejects.toMatchObject({ code: 'RSM_UNREACHABLE' });
  });
});

describe('a handler with zeroCopy', () => {
  beforeEach(async () => {
    service = await newService();
    client = newClient();
    await client.connect();
  });
  afterEach(() => service.call('open').catch(() => undefined));

  it('sees the bytes until it has ended; whoever keeps the Buffer finds it empty', async () => {
    const bytes = bytesOf(1, SIZE);
    await service.call('hold');
    await emitted('frame', bytes);
    await held(1);
    expect(taken()).toBeGreaterThan(0);
    expect(await service.call('kept')).toEqual([SIZE]);
    await service.call('open');
    await eventually(() => expect(taken()).toBe(0));
    const expected = { bytes: SIZE, digest: digestOf(bytes), attempt: 1 };
    expect(await looks()).toEqual([
      { handler: 'frame', ...expected },
      { handler: 'frame after the gate', ...expected },
    ]);
    expect(await service.call('kept')).toEqual([0, 0]);
  });

  it('is given copies of what is short, came in fragments, or is no bytes; headers change nothing', async () => {
    const short = bytesOf(2, 4_000);
    const fragments = bytesOf(3, 3_000_000);
    await handled('frame', short);
    await handled('frame', fragments);
    await emitted(
      'frame',
      new RsmRecordBuilder(bytesOf(4, SIZE))
        .setHeaders({ a: 'b'.repeat(5_000) })
        .setConfirm()
        .build(),
    );
    await emitted('frame', new RsmRecordBuilder(bytesOf(5, SIZE)).setHeaders({ a: 'b' }).setConfirm().build());
    expect((await looks()).map(({ digest }) => digest).filter((_, i) => i % 2 === 0)).toEqual(
      [short, fragments, bytesOf(4, SIZE), bytesOf(5, SIZE)].map(digestOf),
    );
    expect(await service.call('kept')).toEqual([4_000, 4_000, 3_000_000, 3_000_000, SIZE, SIZE, 0, 0]);
  });

  it('is given its own payload, whatever its length, behind headers too long to be looked at first', async () => {
    const sizes = [200_000, 500_000, 100_000];
    for (const size of sizes) {
      client.emit('copied', new RsmRecordBuilder(bytesOf(size, size)).setHeaders({ a: 'b'.repeat(5_000) }).build());
    }
    await handled('copied', bytesOf(1, 10));
    expect((await looks()).slice(0, sizes.length).map(({ digest }) => digest)).toEqual(sizes.map((size) => digestOf(bytesOf(size, size))));
  });

  it('sees nested binary values and typed arrays in place, and text as ever', async () => {
    const large = bytesOf(6, 50_001);
    const numbers = Float64Array.from({ length: 1_000 }, (_, i) => i / 3);
    const bytesOfNumbers = new Uint8Array(numbers.buffer);
    await handled('nested', { name: 'both', large, numbers, text: 'é'.repeat(3_000) });
    await handled('numbers', numbers);
    expect(await looks()).toEqual([
      { handler: 'nested both 3000', bytes: 50_001, digest: digestOf(large), attempt: 1 },
      { handler: 'numbers', bytes: 8_000, digest: digestOf(bytesOfNumbers), attempt: 1 },
      { handler: `numbers ${1 / 3}`, bytes: 8_000, digest: digestOf(bytesOfNumbers), attempt: 1 },
    ]);
    expect((await service.call('kept'))[0]).toBe(0);
    expect((await service.call('kept'))[2]).toBe(0);
  });

  it('shares an event with handlers that are given copies; the memory is released when all have ended', async () => {
    await service.call('hold');
    const size = 200_000; // long enough for a copy in a Buffer of its own
    const { loan, digest } = await filled(7, size);
    const outcome = observe(client.emit('mixed', confirmed(loan)));
    await held(1);
    expect(await looks()).toEqual(
      ['mixed, copied', 'mixed, in place', 'mixed, fails'].map((handler) => ({ handler, bytes: size, digest, attempt: 1 })),
    );
    expect(await service.call('kept')).toEqual([size, size, size]);
    await service.call('open');
    expect((await outcome).end).toBe('error');
    expect(await service.call('kept')).toEqual([size, 0, 0]);
  });

  it("in ack mode 'manual' has the bytes until it acknowledges, and in its turn with concurrency 1", async () => {
    await service.call('hold');
    await emitted('manual', bytesOf(8, SIZE));
    client.emit('serial', bytesOf(9, SIZE));
    client.emit('serial', bytesOf(10, SIZE));
    await held(2);
    expect(await service.call('kept')).toEqual([SIZE]);
    await service.call('open');
    await eventually(async () => expect(await service.call('kept')).toEqual([0, 0, 0]));
    expect((await looks()).map(({ digest }) => digest)).toEqual([8, 9, 10].map((seed) => digestOf(bytesOf(seed, SIZE))));
  });

  it('that writes into its payload changes what is delivered again', async () => {
    await service.call('write');
    const bytes = bytesOf(11, SIZE);
    await handled('retried', bytes);
    const [first, second] = await looks();
    expect(first!.digest).toBe(digestOf(bytes));
    bytes.write('written');
    expect(second!.digest).toBe(digestOf(bytes));
  });

  it('answers requests with what it was given, at once and in a stream; the memory is released when it has ended', async () => {
    const bytes = bytesOf(12, SIZE);
    expect((await lastValueFrom(client.send<Buffer>('echo', bytes))).equals(bytes)).toBe(true);
    const parts = await lastValueFrom(client.send<Buffer>('stream', (await filled(12)).loan).pipe(toArray()));
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    await eventually(() => expect(taken()).toBe(0));
    await eventually(async () => expect(await service.call('kept')).toEqual([0]));
  });

  it('of a request that is cancelled, or whose client dies, has its bytes to the end', async () => {
    await service.call('hold');
    const cancelled = client.send('patient', bytesOf(13, SIZE)).subscribe();
    await held(1);
    cancelled.unsubscribe();
    await eventually(async () => expect(await service.call('aborted')).toBe(1));
    const lender = await startService('lender');
    await lender.call('borrow', SIZE);
    void lender.call('ask', 'patient').catch(() => undefined);
    await held(2);
    await lender.kill();
    await eventually(async () => expect(await service.call('aborted')).toBe(2));
    await service.call('open');
    await eventually(async () => {
      const after = (await service.call<Look[]>('looks')).filter(({ handler }) => handler.endsWith('gate'));
      expect(after.map(({ digest }) => digest)).toEqual([digestOf(bytesOf(13, SIZE)), digestOf(Buffer.alloc(SIZE, 7))]);
    });
    await eventually(async () => expect(await service.call('kept')).toEqual([0, 0, 0, 0]));
    await eventually(() => expect(taken()).toBe(0));
  });

  it('whose service is killed loses nothing: the event is delivered again as it was', async () => {
    const doomed = service;
    await doomed.call('hold');
    const { loan, digest } = await filled(14);
    await emitted('frame', loan);
    await eventually(async () => expect(await doomed.call('held')).toBe(1));
    await doomed.kill();
    service = await newService();
    await eventually(async () => expect(await looks()).toContainEqual({ handler: 'frame', bytes: SIZE, digest, attempt: 2 }));
  });
});

it('zeroCopy of the server holds for all handlers that do not say otherwise', async () => {
  service = await newService({ zeroCopy: true, codec: 'msgpack' });
  client = newClient({ codec: 'msgpack' });
  await handled('copied', bytesOf(1, SIZE));
  await handled('nested', { name: 'a', large: bytesOf(2, SIZE), numbers: new Float64Array(4), text: 'text' });
  expect((await looks()).map(({ digest }) => digest).slice(0, 2)).toEqual([1, 2].map((seed) => digestOf(bytesOf(seed, SIZE))));
  const kept: number[] = await service.call('kept');
  expect(kept[0]).toBe(0);
  expect(kept[1]).toBe(SIZE); // nested in MessagePack: a copy
});
