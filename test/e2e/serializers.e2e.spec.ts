import { beforeEach, describe, expect, it } from '@jest/globals';
import { RsmClient, RsmRecordBuilder } from 'nestjs-rsm';
import { lastValueFrom, toArray } from 'rxjs';
import { open, seal } from '../services/fixture/seal.js';
import { closeAfterwards, eventually, observe, type Service, startService } from '../support/index.js';

let service: Service;
let client: RsmClient;

describe.each([
  ['synchronous', false],
  ['asynchronous', true],
])("the user's serializer and %s deserializer, on both sides", (_name, asynchronous) => {
  beforeEach(async () => {
    service = await startService('sealed', { options: { asynchronous } });
    client = closeAfterwards(
      new RsmClient({
        service: 'sealed',
        directory: service.directory,
        serializer: { serialize: seal },
        deserializer: { deserialize: asynchronous ? (message: unknown) => Promise.resolve(open(message)) : open },
      }),
    );
  });

  it('carry requests and replies', async () => {
    expect(await lastValueFrom(client.send('echo', { text: 'größe' }))).toEqual({ text: 'größe' });
    expect(await service.call('deserialized')).toEqual(['"echo"']);
  });

  it('carry replies of many values in order, and headers beside the packet', async () => {
    const record = new RsmRecordBuilder([1, 'two', null, 4]).setHeaders({ trace: 1 }).build();
    expect(await lastValueFrom(client.send({ cmd: 'values' }, record).pipe(toArray()))).toEqual([1, 'two', null, 4, { trace: 1 }]);
  });

  it('carry errors', async () => {
    expect(await observe(client.send('failure', 0))).toEqual({ values: [], end: 'error', error: { sealed: true } });
    const { error } = await observe(client.send('unknown', 0));
    expect(error).toBe('There is no matching message handler defined in the remote service.');
  });

  it('carry events, in order', async () => {
    for (let n = 0; n < 100; n++) {
      client.emit({ kind: 'event' }, n);
    }
    await eventually(async () => expect(await service.call('events')).toEqual(Array.from({ length: 100 }, (_, n) => n)));
  });

  it('keep many requests at once apart', async () => {
    const replies = await Promise.all(Array.from({ length: 200 }, (_, n) => lastValueFrom(client.send('echo', n))));
    expect(replies).toEqual(Array.from({ length: 200 }, (_, n) => n));
  });

  it('refuse what another client did not seal: it gets an error, and the others go on', async () => {
    const stranger = closeAfterwards(new RsmClient({ service: 'sealed', directory: service.directory }));
    const { end } = await observe(stranger.send('echo', 1));
    expect(end).toBe('error');
    stranger.emit({ kind: 'event' }, 1);
    expect(await lastValueFrom(client.send('echo', 2))).toBe(2);
    expect(await service.call('events')).toEqual([]);
  });
});
