import { expect, it } from '@jest/globals';
import { Connector, Lane } from '@nestjs-rsm/segments';
import { RsmClient } from 'nestjs-rsm';
import { firstValueFrom } from 'rxjs';
import { hostile, HostilePeer } from '../support/hostile-peer.js';
import { useHostileTarget } from '../support/hostile-target.js';
import { closeAfterwards, eventually } from '../support/index.js';

/** Sockets a server may have for them: its maxHandshakes (64) and what one turn of its loop accepts. */
const MOST_SOCKETS = 140;

const target = useHostileTarget();

async function newcomer(number: number): Promise<void> {
  const client = new RsmClient({ service: 'hostile', directory: target.service.directory });
  try {
    expect(await firstValueFrom(client.send('echo', number))).toBe(number);
  } finally {
    await client.close();
  }
}

async function socketsOfServer(): Promise<number> {
  const { descriptors } = await target.service.call<{ descriptors: Record<string, number> }>('residue');
  return descriptors['socket']! - target.before.descriptors['socket']!;
}

it('ten thousand connections that say nothing, at once, keep nobody out and cost the server next to nothing', async () => {
  const flood = new HostilePeer('client', target.path, 'half_open', 10_000);
  let open = false;
  const opened = flood.atWork().then((words) => {
    open = true;
    return words;
  });
  let newcomers = 0;
  while (!open) {
    await newcomer(newcomers++);
    await target.companion.undisturbed(2);
    expect(await socketsOfServer()).toBeLessThan(MOST_SOCKETS);
  }
  expect(await opened).toEqual({ open: 10_000 });
  // All of them are held open at the other end now.
  await newcomer(newcomers);
  await target.companion.undisturbed(20);
  await target.logged('too many handshakes at once');
  expect(await socketsOfServer()).toBeLessThan(MOST_SOCKETS);
  expect(await flood.end()).toEqual({ ended: true });
});

it('a client that is refused in a loop fills no log', async () => {
  const before = await target.service.call<Record<string, number>>('segmentCounters');
  const { count } = await hostile(target.path, 'greet_wrongly', 2500);
  expect(count).toBeGreaterThan(50);
  const { refused } = await target.service.call<Record<string, number>>('segmentCounters');
  expect(refused! - before['refused']!).toBe(count);
  // The first at once, and a summary for each second: their numbers add up.
  const told = (): number => {
    const lines = target.output().split('\n');
    const first = lines.filter((line) => line.includes('does not begin as nestjs-rsm') && !line.includes('more of what')).length;
    return lines.reduce((sum, line) => sum + Number(/(\d+) × [^|]*does not begin as nestjs-rsm/.exec(line)?.[1] ?? 0), first);
  };
  await eventually(() => expect(told()).toBe(count));
  expect(target.output().trim().split('\n').length).toBeLessThan(12);
});

it('events that nobody handles, a hundred thousand of them, fill no log', async () => {
  const client = closeAfterwards(new RsmClient({ service: 'hostile', directory: target.service.directory }));
  await client.connect();
  const { unknownEvents } = await target.service.call('serverCounters');
  for (let i = 0; i < 100; i++) {
    await Promise.all(Array.from({ length: 1000 }, (_, k) => firstValueFrom(client.emit(`nobody ${i * 1000 + k}`, 1))));
  }
  await eventually(async () => expect((await target.service.call('serverCounters')).unknownEvents).toBe(unknownEvents + 100_000));
  await target.logged('There is no matching event handler defined in the remote service. Event pattern: nobody ');
  expect(target.output().length).toBeLessThan(20_000);
});

it('a peer cannot forge lines of the log', async () => {
  const client = closeAfterwards(new RsmClient({ service: 'hostile', directory: target.service.directory }));
  await firstValueFrom(client.emit('ordinary\n[Nest] forged\u001b[2J', 1));
  await target.logged('ordinary?[Nest] forged?[2J');
});

it('a client that takes no reply, not even an error, holds up nobody but itself', async () => {
  const connector = closeAfterwards(new Connector({ service: 'hostile', directory: target.service.directory, maxMessageSize: 24 }));
  await connector.ready();
  const [connection] = connector.connections;
  const request = (id: number): Buffer =>
    Buffer.from([2, 1, 16, 0, 9, 0, 0, 0, ...Buffer.from('prototype'), id & 255, id >> 8, 0, 0, ...Buffer.from('{}')]);
  // A request keeps its place among maxRequests until its client has been told, which cannot be: the rest waits in the client's partitions.
  const writing = connection!.writeAll(
    Array.from({ length: 1_000 }, (_, i) => request(i + 1)),
    Lane.requests,
  );
  writing.catch(() => undefined); // it ends with the connection
  await target.logged("A reply to 'prototype' cannot be sent");
  expect(target.output().length).toBeLessThan(20_000);
});
