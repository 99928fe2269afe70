/** What close() meets: its own callers, messages on their way, handlers that wait. */
import { describe, expect, it } from '@jest/globals';
import { Listener, Outcome } from '@nestjs-rsm/segments';
import { RsmClient, type RsmDeadLetter, RsmRecordBuilder, RsmServer } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { closeAfterwards, eventually, observe, serviceDirectory } from '../support/index.js';
import { listen, startPlainServer } from '../support/plain-server.js';

const service = 'closing';
const newClient = (options: object = {}): RsmClient =>
  closeAfterwards(new RsmClient({ service, directory: serviceDirectory(), ...options }));

/** A receiver of which the test decides what it takes. */
async function listenBare(options: object = {}): Promise<{ listener: Listener; held: { delivery: number; length: number }[] }> {
  const listener = closeAfterwards(new Listener({ service, directory: serviceDirectory(), ...options }));
  const held: { delivery: number; length: number }[] = [];
  listener.onMessages = (batch) => {
    for (let i = 0; i < batch.count; i++) {
      if (batch.lane(i) !== 0) held.push({ delivery: batch.delivery(i), length: batch.length(i) });
    }
  };
  await listener.listen();
  return { listener, held };
}

describe('a client that is closed', () => {
  it('by the subscriber of a reply, ends the other requests of the same batch with an error', async () => {
    closeAfterwards(await startPlainServer({ service, directory: serviceDirectory() }, { pattern: 'echo', handle: (data) => data }));
    const client = newClient();
    await lastValueFrom(client.send('echo', 0));
    await eventually(() => expect([...client.unwrap().connections].map(({ inFlight }) => inFlight)).toEqual([0]));
    const ends = await Promise.all(
      Array.from(
        { length: 10 },
        (_, i) =>
          new Promise<string>((resolve) => {
            client.send('echo', i).subscribe({
              next: () => void client.close(),
              complete: () => resolve('complete'),
              error: (error: { code: string }) => resolve(error.code),
            });
          }),
      ),
    );
    expect(ends.filter((end) => end !== 'complete' && end !== 'RSM_CONNECTION_LOST')).toEqual([]);
    expect(ends).toContain('RSM_CONNECTION_LOST');
    await client.close();
    expect(await lastValueFrom(client.send('echo', 'again'))).toBe('again');
  });

  it('while the fragments of a long event leave, fails it', async () => {
    const { held } = await listenBare({ eventCredit: 1 });
    const client = newClient({ closeTimeout: 1 });
    await lastValueFrom(client.emit('event', 'short'));
    await eventually(() => expect(held).toHaveLength(1));
    const long = observe(client.emit('event', Buffer.alloc(20 * 1024 * 1024)));
    const confirmed = observe(client.emit('event', new RsmRecordBuilder('behind it').setConfirm().build()));
    await client.close();
    expect([(await long).error, (await confirmed).error]).toEqual([
      expect.objectContaining({ code: 'RSM_CONNECTION_LOST' }),
      expect.objectContaining({ code: 'RSM_CONNECTION_LOST' }),
    ]);
  });
});

describe('a server that is closed', () => {
  it('while it begins to listen, ends as disconnected', async () => {
    // Others in the folder: each is looked at before listen() ends.
    for (let i = 0; i < 20; i++) await listenBare();
    const server = new RsmServer({ service, directory: serviceDirectory() });
    const states: string[] = [];
    server.status.subscribe((state) => states.push(state));
    const listening = listen(server);
    await eventually(() => server.unwrap(), { every: 0 });
    await server.close();
    await listening;
    expect(states.at(-1)).toBe('disconnected');
  });

  it('begins nothing afterwards that waited for a handler', async () => {
    const begun: unknown[] = [];
    const gates: (() => void)[] = [];
    const server = await startPlainServer(
      { service, directory: serviceDirectory(), drainTimeout: 20 },
      {
        pattern: 'slow',
        isEvent: true,
        extras: { concurrency: 1 },
        handle: (data) => {
          begun.push(data);
          return new Promise<void>((resolve) => gates.push(resolve));
        },
      },
    );
    closeAfterwards(server);
    const client = newClient({ closeTimeout: 1 });
    await Promise.all(['first', 'second'].map((data) => lastValueFrom(client.emit('slow', data))));
    await eventually(() => expect(server.counters.events).toBe(2));
    await client.close(); // a departed sender: its events cannot be given back
    await server.close();
    gates.forEach((open) => open());
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(begun).toEqual(['first']);
  });
});

describe('what comes back', () => {
  it('has no part in what becomes of later events, where it was too long for one span', async () => {
    const { listener, held } = await listenBare({ segments: [{ partitionSize: 64, partitions: 16, spanFactor: 4 }] });
    const client = newClient({ retryDelay: 1, closeTimeout: 1 });
    await lastValueFrom(client.emit('event', 'forms the segments'));
    await eventually(() => expect(held).toHaveLength(1));
    listener.settle(held[0]!.delivery, Outcome.done);
    await eventually(() => expect([...client.unwrap().connections].map(({ inFlight }) => inFlight)).toEqual([0]));
    await lastValueFrom(client.emit('event', 'x'.repeat(500)));
    await eventually(() => expect(held).toHaveLength(2));
    listener.settle(held[1]!.delivery, Outcome.nack);
    await eventually(() => expect(held).toHaveLength(3)); // it came again, and stays
    const connection = [...client.unwrap().connections][0]!;
    let queued = client.emit('event', 'y'.repeat(200));
    while (connection.queuedMessages === 0) queued = client.emit('event', 'y'.repeat(200));
    let completed = false;
    queued.subscribe({ complete: () => (completed = true), error: () => {} });
    expect(completed).toBe(false);
  });

  it('comes back although retryDelay throws, and reaches onDeadLetter although a listener throws', async () => {
    closeAfterwards(
      await startPlainServer(
        { service, directory: serviceDirectory(), ack: 'manual' },
        {
          pattern: 'failing',
          isEvent: true,
          handle: () => {
            throw new Error('not now');
          },
        },
      ),
    );
    const letters: RsmDeadLetter[] = [];
    const client = newClient({
      maxAttempts: 2,
      onDeadLetter: (letter: RsmDeadLetter) => void letters.push(letter),
      retryDelay: () => {
        throw new Error("the user's own");
      },
    });
    client.on('deadLetter', () => {
      throw new Error("the listener's own");
    });
    const { end } = await observe(client.emit('failing', new RsmRecordBuilder('a').setConfirm().build()));
    expect(end).toBe('error');
    expect(letters).toMatchObject([{ pattern: 'failing', data: 'a', attempts: 2 }]);
    expect(client.unwrap().budget.messages).toBe(0);
  });

  it('goes one at a time while it is suspect, also after a refusal', async () => {
    const first = await listenBare();
    const client = newClient({ retryDelay: 60_000, closeTimeout: 1 });
    await Promise.all(['a', 'bb', 'ccc', 'dddd'].map((data) => lastValueFrom(client.emit('event', data))));
    await eventually(() => expect(first.held).toHaveLength(4));
    await first.listener.close(); // all four had begun
    const { listener, held } = await listenBare();
    await eventually(() => expect(held).toHaveLength(1));
    listener.settle(held[0]!.delivery, Outcome.nack);
    for (let taken = 2; taken <= 4; taken++) {
      await eventually(() => expect(held).toHaveLength(taken));
      expect([...client.unwrap().connections].map(({ inFlight }) => inFlight)).toEqual([1]);
      listener.settle(held[taken - 1]!.delivery, Outcome.done);
    }
  });
});
