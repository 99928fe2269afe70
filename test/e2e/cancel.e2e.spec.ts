import { beforeEach, describe, expect, it } from '@jest/globals';
import { RsmClient, RsmError, RsmRecordBuilder } from 'nestjs-rsm';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { closeAfterwards, eventually, newServiceDirectory, observe, type Seen, type Service, startService } from '../support/index.js';

let service: Service;
let client: RsmClient;

beforeEach(async () => {
  service = await startService('cancel');
  client = closeAfterwards(new RsmClient({ service: 'cancel', directory: service.directory }));
});

const hasLogged = (...lines: string[]): Promise<void> =>
  eventually(async () => expect(await service.call('log')).toEqual(expect.arrayContaining(lines)));

describe('a client that unsubscribes', () => {
  it("has the handler's Observable unsubscribed and the context's signal fired", async () => {
    const values = await firstValueFrom(client.send('ticks', 'a').pipe(take(3), toArray()));
    expect(values).toEqual([0, 1, 2]);
    await hasLogged('a unsubscribed', 'a aborted RSM_CONNECTION_LOST');
    const { cancelledRequests } = await service.call('serverCounters');
    expect(cancelledRequests).toBe(1);
    expect(client.counters.cancelledRequests).toBe(1);
  });

  it('before any value has come, does the same', async () => {
    const subscription = client.send('silent', 'b').subscribe();
    await hasLogged('b subscribed');
    subscription.unsubscribe();
    await hasLogged('b unsubscribed');
  });

  it("wakes an async handler by the context's signal, and hears nothing of its value", async () => {
    const seen: unknown[] = [];
    const subscription = client.send('until-aborted', 'c').subscribe((value) => seen.push(value));
    await hasLogged('c began');
    subscription.unsubscribe();
    await hasLogged('c aborted RSM_CONNECTION_LOST');
    await lastValueFrom(client.send('echo', 0));
    expect(seen).toEqual([]);
    expect(client.counters.lateReplies).toBe(0);
  });

  it('leaves other requests alone', async () => {
    const first = client.send('ticks', 'd').subscribe();
    const second = observe(client.send('ticks', 'e').pipe(take(50)));
    await hasLogged('d subscribed', 'e subscribed');
    first.unsubscribe();
    expect((await second).values).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it('in the turn in which it subscribed, starts nothing or ends it', async () => {
    await client.connect();
    for (let i = 0; i < 20; i++) {
      client.send('silent', `turn ${i}`).subscribe().unsubscribe();
    }
    await lastValueFrom(client.send('echo', 0));
    const log: string[] = await service.call('log');
    const count = (what: string): number => log.filter((line) => line.endsWith(what)).length;
    expect(count(' unsubscribed')).toBe(count(' subscribed'));
  });

  it('before the client is connected, sends nothing', async () => {
    client.send('silent', 'early').subscribe().unsubscribe();
    await lastValueFrom(client.send('echo', 0));
    expect(await service.call('log')).toEqual([]);
  });
});

describe('a client that goes away', () => {
  it("has the handler's Observable unsubscribed and the signal fired", async () => {
    const pending = observe(client.send('ticks', 'f'));
    await hasLogged('f subscribed');
    await client.close();
    await hasLogged('f unsubscribed', 'f aborted RSM_CONNECTION_LOST');
    expect(await pending).toMatchObject({ end: 'error', error: { code: 'RSM_CONNECTION_LOST' } });
  });
});

describe('setTimeout', () => {
  const within = (data: unknown, milliseconds: number) => new RsmRecordBuilder(data).setTimeout(milliseconds).build();

  /** A request that runs out of time after its handler has begun; on a slow machine that takes a second, longer try. */
  async function timedOutRunning(pattern: string, name: string): Promise<{ name: string; seen: Seen; milliseconds: number }> {
    for (let milliseconds = 200; ; milliseconds *= 2) {
      const tried = `${name} of ${milliseconds}`;
      const seen = await observe(client.send(pattern, within(tried, milliseconds)));
      // Whatever was begun before this is in the log.
      await lastValueFrom(client.send('echo', 0));
      if ((await service.call('log')).some((line: string) => line === `${tried} began` || line === `${tried} subscribed`)) {
        return { name: tried, seen, milliseconds };
      }
    }
  }

  it('fails the request with RSM_TIMEOUT and unsubscribes the Observable of the handler', async () => {
    const { name, seen, milliseconds } = await timedOutRunning('silent', 'g');
    expect(seen).toMatchObject({ values: [], end: 'error', error: { code: 'RSM_TIMEOUT' } });
    expect(RsmError.is(seen.error)).toBe(true);
    expect(seen.error.message).toContain(`'silent' was not answered within ${milliseconds} ms`);
    await hasLogged(`${name} unsubscribed`);
  });

  it("fires the context's signal, by the client's cancelling or the server's own clock", async () => {
    const { name, seen } = await timedOutRunning('until-aborted', 'h');
    expect(seen.error.code).toBe('RSM_TIMEOUT');
    await eventually(async () =>
      expect((await service.call('log')).join()).toMatch(new RegExp(`${name} aborted RSM_(TIMEOUT|CONNECTION_LOST)`)),
    );
  });

  it('gives the values that came before it', async () => {
    const { name, seen } = await timedOutRunning('ticks', 'i');
    expect(seen.error.code).toBe('RSM_TIMEOUT');
    expect(seen.values).toEqual(seen.values.map((_, i) => i));
    await hasLogged(`${name} unsubscribed`);
  });

  it('means nothing to a request that is answered in time', async () => {
    const { values, end } = await observe(client.send('list', within({ name: 'j', count: 3 }, 60_000)));
    expect({ values, end }).toEqual({ values: [0, 1, 2], end: 'complete' });
  });

  it('never starts a request that expired while it waited for its handler', async () => {
    const first = observe(client.send('one-by-one', 'first'));
    await hasLogged('first began');
    const second = await observe(client.send('one-by-one', within('second', 50)));
    expect(second.error.code).toBe('RSM_TIMEOUT');
    await service.call('open');
    expect((await first).values).toEqual(['first']);
    expect(await lastValueFrom(client.send('one-by-one', 'third'))).toBe('third');
    expect(await service.call('log')).toEqual(['first began', 'third began']);
  });

  it('never starts a request that was cancelled while it waited in its partitions: the cancel overtakes it', async () => {
    const crowded = await startService('cancel', { directory: newServiceDirectory(), options: { server: { maxRequests: 1 } } });
    const own = closeAfterwards(new RsmClient({ service: 'cancel', directory: crowded.directory }));
    const first = observe(own.send('one-by-one', 'first'));
    await eventually(async () => expect(await crowded.call('log')).toEqual(['first began']));
    const second = own.send('one-by-one', 'second').subscribe();
    const { messagesReceived: before } = await crowded.call('segmentCounters');
    second.unsubscribe();
    await eventually(async () => expect((await crowded.call('segmentCounters')).messagesReceived).toBe(before + 1));
    await crowded.call('open');
    expect((await first).values).toEqual(['first']);
    expect(await lastValueFrom(own.send('one-by-one', 'third'))).toBe('third');
    expect(await crowded.call('log')).toEqual(['first began', 'third began']);
  });

  it('never starts a request that expired while its server stood still', async () => {
    await lastValueFrom(client.send('echo', 0));
    service.signal('SIGSTOP');
    const { error } = await observe(client.send('silent', within('k', 100)));
    expect(error.code).toBe('RSM_TIMEOUT');
    service.signal('SIGCONT');
    await lastValueFrom(client.send('echo', 0));
    expect(await service.call('log')).toEqual([]);
  });
});

describe('a finished reply', () => {
  it('is followed by no cancel frame', async () => {
    await lastValueFrom(client.send('echo', 0));
    await lastValueFrom(client.send('list', { name: 'first', count: 1 }));
    const { messagesReceived: before } = await service.call('segmentCounters');
    for (let i = 0; i < 10; i++) {
      await lastValueFrom(client.send('echo', i));
      await firstValueFrom(client.send('echo', i));
      await observe(client.send('echo', i).pipe(take(1)));
      await lastValueFrom(client.send('list', { name: `list ${i}`, count: 20 }));
    }
    await lastValueFrom(client.send('echo', 'the last'));
    const { messagesReceived: after } = await service.call('segmentCounters');
    expect(after - before).toBe(41);
    const { cancelledRequests } = await service.call('serverCounters');
    expect(cancelledRequests).toBe(0);
    expect((await service.call('log')).filter((line: string) => line.includes('aborted'))).toEqual([]);
  });

  it('counts one cancel frame where there was one', async () => {
    await lastValueFrom(client.send('echo', 0));
    await observe(client.send('ticks', 'warm').pipe(take(1)));
    await hasLogged('warm unsubscribed');
    const { messagesReceived: before } = await service.call('segmentCounters');
    await observe(client.send('ticks', 'l').pipe(take(1)));
    await hasLogged('l unsubscribed');
    const { messagesReceived: after } = await service.call('segmentCounters');
    expect(after - before).toBe(2);
  });
});
