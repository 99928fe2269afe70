import { beforeAll, describe, expect, it } from '@jest/globals';
import { RsmClient, RsmRecordBuilder } from 'nestjs-rsm';
import { firstValueFrom, forkJoin, lastValueFrom } from 'rxjs';
import { closeAfterwards, eventually, observe, type Service, startService } from '../support/index.js';

/** What goes beyond Nest's TCP transport; what is as there is in conformance/. */
let service: Service;
let client: RsmClient;

beforeAll(async () => {
  service = await startService('events');
  client = closeAfterwards(new RsmClient({ service: 'events', directory: service.directory, retryDelay: 1 }));
});

const confirmed = (pattern: string, data: unknown): Promise<unknown> =>
  lastValueFrom(client.emit(pattern, new RsmRecordBuilder(data).setConfirm().build()));

describe('emit', () => {
  it('emits one undefined and completes', async () => {
    expect(await observe(client.emit('parallel', -1))).toEqual({ values: [undefined], end: 'complete' });
  });

  it('sends without being subscribed to, in the order of the calls', async () => {
    const before = (await service.call('log')).length as number;
    for (let n = 0; n < 200; n++) {
      client.emit('serial', n);
    }
    const log = await eventually(async () => {
      const lines: string[] = (await service.call('log')).slice(before).filter((line: string) => /^serial \d+ ended$/.test(line));
      expect(lines).toHaveLength(200);
      return lines;
    });
    expect(log).toEqual(Array.from({ length: 200 }, (_, n) => `serial ${n} ended`));
  });

  it('runs every handler of a pattern, whatever its siblings do', async () => {
    await service.call('open');
    const outcome = await observe(client.emit('crowd', new RsmRecordBuilder('a').setConfirm().build()));
    const ran = (await service.call('log')).filter((line: string) => line.startsWith('a '));
    expect(ran.sort()).toEqual(['a empty', 'a rejects', 'a streams', 'a throws', 'a waits']);
    // Two of them failed, and the sender had asked how it ends.
    expect(outcome.end).toBe('error');
  });

  it("is confirmed only when the handler's promise has resolved and its Observable has completed", async () => {
    await confirmed('stream', 'b');
    expect(await service.call('log')).toContain('b completed');
  });

  it('logs an event that nobody handles with the words of Nest, and counts it', async () => {
    const { unknownEvents } = await service.call('serverCounters');
    await observe(client.emit('nobody', new RsmRecordBuilder(1).setConfirm().build()));
    expect((await service.call('serverCounters')).unknownEvents).toBe(unknownEvents + 1);
    await eventually(() =>
      expect(service.output()).toContain('There is no matching event handler defined in the remote service. Event pattern: nobody'),
    );
  });
});

describe('send', () => {
  it('keeps a thousand requests at once apart', async () => {
    const basic = await startService('basic');
    const other = closeAfterwards(new RsmClient({ service: 'basic', directory: basic.directory }));
    const replies = await firstValueFrom(forkJoin(Array.from({ length: 1_000 }, (_, n) => other.send('echo', n))));
    expect(replies).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
    expect(other.counters.requests).toBe(1_000);
    expect((await basic.call('serverCounters')).requests).toBe(1_000);
  });

  it('takes a request after the events that were emitted before it', async () => {
    const basic = await startService('basic');
    const other = closeAfterwards(new RsmClient({ service: 'basic', directory: basic.directory }));
    for (let n = 0; n < 100; n++) {
      other.emit('event', n);
    }
    await lastValueFrom(other.send('echo', 0));
    expect(await basic.call('events')).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });
});
