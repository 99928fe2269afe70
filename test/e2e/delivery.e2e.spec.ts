import { beforeEach, describe, expect, it } from '@jest/globals';
import { RsmClient, type RsmClientOptions, type RsmDeadLetter, RsmRecordBuilder, type RsmServerOptions } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { closeAfterwards, eventually, observe, type Seen, type Service, startService } from '../support/index.js';

let service: Service;
let client: RsmClient;
let letters: RsmDeadLetter[];

async function begin(server: Partial<RsmServerOptions> = {}, options: Partial<RsmClientOptions> = {}): Promise<void> {
  letters = [];
  service = await startService('events', { options: { server } });
  client = closeAfterwards(
    new RsmClient({
      service: 'events',
      directory: service.directory,
      retryDelay: 1,
      onDeadLetter: (letter) => void letters.push(letter),
      ...options,
    }),
  );
}

const confirmed = (data: unknown) => new RsmRecordBuilder(data).setConfirm().build();
const confirm = (pattern: string, data: unknown): Promise<Seen> => observe(client.emit(pattern, confirmed(data)));
const barrier = (): Promise<unknown> => lastValueFrom(client.send('barrier', 0));
const log = (): Promise<string[]> => service.call('log');
const hasLogged = (...lines: string[]): Promise<void> => eventually(async () => expect(await log()).toEqual(expect.arrayContaining(lines)));

describe('concurrency', () => {
  it('1 in the extras of a handler runs its events one after the other, in order', async () => {
    await begin();
    for (let n = 0; n < 50; n++) {
      client.emit('serial', n);
    }
    await confirm('serial', 50);
    expect(await log()).toEqual(Array.from({ length: 51 }, (_, n) => [`serial ${n} began`, `serial ${n} ended`]).flat());
    expect(await service.call('most')).toBe(1);
  });

  it('of the server bounds the events in their handlers, and no less run at once', async () => {
    await begin({ concurrency: 3 });
    for (let n = 0; n < 20; n++) {
      client.emit('parallel', n);
    }
    await eventually(async () => expect(await service.call('held')).toBe(3));
    // The rest is there and could begin.
    await barrier();
    expect(await service.call('held')).toBe(3);
    await service.call('open');
    await hasLogged(...Array.from({ length: 20 }, (_, n) => `parallel ${n} ended`));
    expect(await service.call('most')).toBe(3);
  });

  it('1 of a handler holds up no other handler, however many wait for it', async () => {
    await begin();
    for (let n = 0; n < 500; n++) {
      client.emit('serial-held', n);
    }
    await hasLogged('serial-held 0 began');
    await confirm('serial', 0);
    expect((await service.call('serverCounters')).events).toBe(501);
    await service.call('open');
    await hasLogged('serial-held 499 ended');
    expect((await log()).filter((line) => line.endsWith('began') && line.includes('held'))).toEqual(
      Array.from({ length: 500 }, (_, n) => `serial-held ${n} began`),
    );
  });
});

describe("ack: 'manual'", () => {
  beforeEach(() => begin());

  it('keeps the event until the handler has acknowledged it', async () => {
    let ended = false;
    const outcome = confirm('manual', 'a').finally(() => (ended = true));
    await hasLogged('a attempt 1');
    await barrier();
    expect(ended).toBe(false);
    await service.call('ack', 0);
    expect(await outcome).toEqual({ values: [undefined], end: 'complete' });
  });

  it('delivers again what was not acknowledged, with an attempt more', async () => {
    const outcome = confirm('manual', 'b');
    await hasLogged('b attempt 1');
    await service.call('nack', 0);
    await hasLogged('b attempt 2');
    await service.call('ack', 1);
    expect((await outcome).end).toBe('complete');
    expect((await service.call('serverCounters')).nackedEvents).toBe(1);
    expect(client.counters.redeliveries).toBe(1);
  });

  it('ignores what is said after the first word', async () => {
    const outcome = confirm('manual', 'c');
    await hasLogged('c attempt 1');
    await service.call('ack', 0);
    await service.call('nack', 0);
    expect((await outcome).end).toBe('complete');
    await barrier();
    expect(await log()).toEqual(['c attempt 1']);
  });

  it('takes a handler that fails unacknowledged for a nack', async () => {
    expect((await confirm('manual-failure', 'd')).end).toBe('complete');
    expect(await log()).toEqual(['d attempt 1', 'd attempt 2', 'd attempt 3']);
  });
});

describe("ack: 'on-receipt'", () => {
  beforeEach(() => begin());

  it('releases the event when it arrives', async () => {
    expect((await confirm('on-receipt', 'e')).end).toBe('complete');
    expect(await log()).toEqual(['e began']);
    await service.call('open');
    await hasLogged('e ended');
  });

  it('only logs a failure, even one that asks for another delivery', async () => {
    await confirm('on-receipt-failure', 'f');
    await eventually(() => expect(service.output()).toContain('never again'));
    await barrier();
    expect(await log()).toEqual(['f attempt 1']);
    expect(letters).toEqual([]);
  });
});

describe('RsmRetriableException', () => {
  it('has the event delivered again until a handler takes it', async () => {
    await begin();
    expect((await confirm('retriable', { name: 'g', until: 4 })).end).toBe('complete');
    expect(await log()).toEqual(['g attempt 1', 'g attempt 2', 'g attempt 3', 'g attempt 4']);
    expect(letters).toEqual([]);
  });

  it('works from an Observable too', async () => {
    await begin();
    expect((await confirm('retriable-stream', 'h')).end).toBe('complete');
    expect(await log()).toEqual(['h attempt 1', 'h attempt 2']);
  });

  it("waits the exception's own delay, in place of the client's", async () => {
    await begin({}, { retryDelay: () => 0 });
    expect((await confirm('retriable-delay', 'n')).end).toBe('complete');
    expect(await log()).toEqual(['n attempt 1', 'n attempt 2']);
  });

  it.each(['json', 'msgpack'] as const)('of a request is an error like any RpcException (codec %s)', async (codec) => {
    await begin({ codec });
    expect((await observe(client.send('retriable-request', 0))).error).toEqual({ status: 'error', message: 'of a request' });
  });

  it('ends as a dead letter after maxAttempts deliveries, which onDeadLetter is told', async () => {
    await begin({}, { maxAttempts: 3 });
    const record = new RsmRecordBuilder({ name: 'i', until: 100 }).setHeaders({ trace: 'x' }).setConfirm().build();
    const outcome = await observe(client.emit('retriable', record));
    expect(outcome.end).toBe('error');
    expect(await log()).toEqual(['i attempt 1', 'i attempt 2', 'i attempt 3']);
    await eventually(() => expect(letters).toHaveLength(1));
    expect(letters[0]).toMatchObject({ pattern: 'retriable', data: { name: 'i', until: 100 }, headers: { trace: 'x' }, attempts: 3 });
    expect(letters[0]!.reason).not.toBe('');
    expect(client.counters.deadLetters).toBe(1);
  });

  it('holds up no other event while one waits to be delivered again', async () => {
    await begin({}, { retryDelay: 300_000, closeTimeout: 0 });
    client.emit('retriable', { name: 'j', until: 2 });
    await hasLogged('j attempt 1');
    expect((await confirm('retriable', { name: 'k', until: 1 })).end).toBe('complete');
  });
});

describe('an event whose handler fails otherwise', () => {
  it('is logged, counted and released, and not delivered again', async () => {
    await begin();
    const outcome = await confirm('failure', 'l');
    expect(outcome.end).toBe('error');
    await barrier();
    expect(await log()).toEqual(['l attempt 1']);
    expect((await service.call('serverCounters')).failedEvents).toBe(1);
    await eventually(() => expect(service.output()).toContain('for good'));
    expect(letters).toEqual([]);
  });

  it('is none of the concerns of an emit that asked for no confirmation', async () => {
    await begin();
    expect(await observe(client.emit('failure', 'm'))).toEqual({ values: [undefined], end: 'complete' });
  });
});
