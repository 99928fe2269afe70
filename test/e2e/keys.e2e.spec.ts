/** setKey() and instances that come. */
import { expect, it } from '@jest/globals';
import { RsmClient, RsmRecordBuilder } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { closeAfterwards, eventually, serviceDirectory } from '../support/index.js';
import { startPlainServer } from '../support/plain-server.js';

it('the messages of a key stay on their instance when others come, and follow when it goes', async () => {
  const service = 'keys';
  const directory = serviceDirectory();
  const seen: [instance: string, key: string][] = [];
  const start = async (instance: string) =>
    closeAfterwards(
      await startPlainServer(
        { service, directory },
        { pattern: 'event', isEvent: true, handle: (key: string) => void seen.push([instance, key]) },
        { pattern: 'who', handle: () => instance },
      ),
    );
  const client = closeAfterwards(new RsmClient({ service, directory }));
  const connected = (count: number): Promise<void> => eventually(() => expect(client.unwrap().connections.size).toBe(count));
  const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
  const emitAll = (): Promise<unknown> =>
    Promise.all(keys.map((key) => lastValueFrom(client.emit('event', new RsmRecordBuilder(key).setKey(key).setConfirm().build()))));

  const first = await start('first');
  await emitAll();
  await start('second');
  await start('third');
  await connected(3);
  await emitAll();
  expect(new Set(seen.map(([instance]) => instance))).toEqual(new Set(['first']));
  expect(await lastValueFrom(client.send('who', new RsmRecordBuilder({}).setKey(keys[0]!).build()))).toBe('first');

  await first.close();
  await connected(2);
  seen.length = 0;
  await emitAll();
  expect(new Set(seen.map(([instance]) => instance))).toEqual(new Set(['second', 'third']));
  const homes = new Map(seen.map(([instance, key]) => [key, instance]));
  await emitAll();
  for (const [instance, key] of seen) {
    expect([key, instance]).toEqual([key, homes.get(key)]);
  }
});
