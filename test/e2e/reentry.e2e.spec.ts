import { beforeEach, describe, expect, it } from '@jest/globals';
import { RsmClient, RsmRecordBuilder } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { closeAfterwards, eventually, type Service, startService } from '../support/index.js';

/** User code that runs while a message is being sent (toJSON, serializers), and sends messages of its own by the same client. */
let service: Service;
let client: RsmClient;

beforeEach(async () => {
  service = await startService('basic');
});

function newClient(options: Partial<ConstructorParameters<typeof RsmClient>[0]> = {}): RsmClient {
  return closeAfterwards(new RsmClient({ service: 'basic', directory: service.directory, ...options }));
}

/** Something whose JSON is `shown`; while it is made, an event and a request leave. A class, for msgpackr asks no plain object for its toJSON. */
class Sending {
  constructor(private readonly shown: unknown) {}

  toJSON(): unknown {
    client.emit('event', { from: 'toJSON', of: this.shown });
    client.send('echo', 'inner').subscribe({ error: () => undefined });
    return this.shown;
  }
}

const events = (count: number): Promise<unknown[]> =>
  eventually(async () => {
    const all: unknown[] = await service.call('events');
    expect(all).toHaveLength(count);
    return all;
  });

describe.each(['json', 'msgpack'] as const)('codec %s: a message whose parts send others as they are encoded', (codec) => {
  beforeEach(async () => {
    client = newClient({ codec });
    await client.connect();
  });

  it('leaves as it was, by its headers', async () => {
    const record = (data: unknown) => new RsmRecordBuilder(data).setHeaders({ trace: new Sending('header') }).build();
    client.emit('event', record({ outer: 'event' }));
    expect(await lastValueFrom(client.send('echo', record({ outer: 'request' })))).toEqual({ outer: 'request' });
    const inner = { from: 'toJSON', of: 'header' };
    expect(await events(3)).toEqual([inner, { outer: 'event' }, inner]);
  });

  it('leaves as it was, by its payload', async () => {
    const text = 'x'.repeat(2_000);
    client.emit('event', { outer: 'event', text, bytes: Buffer.from('bytes'), part: new Sending('payload') });
    expect(await lastValueFrom(client.send('echo', { text, part: new Sending('payload') }))).toEqual({ text, part: 'payload' });
    const all = await events(3);
    expect(all[1]).toMatchObject({ outer: 'event', text, part: 'payload' });
  });
});

it('a loan is sent whole though its serializer sends an event by the same client', async () => {
  const serialize = (packet: { pattern: unknown }) => {
    if (packet.pattern !== 'event') {
      client.emit('event', 'inner');
    }
    return packet;
  };
  client = newClient({ serializer: { serialize } });
  await client.connect();
  const loan = await client.loan(10_000);
  loan.buffer.fill(7);
  expect(await lastValueFrom(client.send<Buffer>('echo', loan))).toEqual(Buffer.alloc(10_000, 7));
  expect([loan.ended, await events(1)]).toEqual([true, ['inner']]);
});

it('a loan has ended where its message cannot be encoded', async () => {
  client = newClient();
  await client.connect();
  const loan = await client.loan(10);
  const outcome = lastValueFrom(client.send('echo', new RsmRecordBuilder(loan).setHeaders({ big: 1n }).build()));
  await expect(outcome).rejects.toThrow(TypeError);
  expect(loan.ended).toBe(true);
});

it('what is sent as a queued event is committed elsewhere comes behind all that waited with it', async () => {
  const small = { segments: [{ partitionSize: 64, partitions: 8, spanFactor: 4 }] };
  await service.stop();
  const doomed = await startService('basic', { options: { server: small } });
  client = newClient();
  const keyed = (data: unknown) => new RsmRecordBuilder(data).setKey('k').build();
  await lastValueFrom(client.send('echo', keyed('settles where the key belongs')));
  service = await startService('basic');
  await eventually(() => expect(client.unwrap().connections.size).toBe(2));
  await lastValueFrom(client.emit('event', new RsmRecordBuilder('first').setRouting('broadcast').setConfirm().build()));
  doomed.signal('SIGSTOP');
  const numbers = Array.from({ length: 30 }, (_, n) => n);
  let later = 0;
  for (const n of numbers) {
    const emitted = client.emit('event', keyed(n));
    if (n >= 20) {
      emitted.subscribe({ complete: () => void (later++, client.emit('event', keyed('later'))) });
    }
  }
  expect(later).toBe(0);
  await doomed.kill();
  expect(await events(1 + 30 + 10)).toEqual(['first', ...numbers, ...Array<string>(10).fill('later')]);
});
