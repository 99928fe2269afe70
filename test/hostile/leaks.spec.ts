import { expect, it } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { RsmClient } from 'nestjs-rsm';
import { firstValueFrom } from 'rxjs';
import { residue } from '../services/residue.js';
import { Companion } from '../support/companion.js';
import { hostile } from '../support/hostile-peer.js';
import { closeAfterwards, eventually, serviceDirectory, socketsIn, startService } from '../support/index.js';

/** RSM_TEST_CYCLES=1000 for the long form. */
const CYCLES = Number(process.env['RSM_TEST_CYCLES'] ?? 300);
/** Servers are Node.js processes: fewer of them. */
const SERVER_CYCLES = Math.max(4, Math.floor(CYCLES / 60));
/** Bytes; a leaked region or directory of each cycle would be far more. */
const RSS_SLACK = 24 * 1024 * 1024;

const shared = (): string[] => readdirSync('/dev/shm').filter((name) => /rsm/i.test(name));

it(`${CYCLES} clients that are killed at any point of their life leave nothing in the server`, async () => {
  const service = await startService('hostile-target', { execArgv: ['--expose-gc'] });
  const { path } = service.info as { path: string };
  const companion = closeAfterwards(await new Companion('hostile', service.directory).start());
  const shm = shared();
  await hostile(path, 'die', 100); // code, tables and pools that stay
  await companion.undisturbed();
  await eventually(async () => expect((await service.call('connections')).now).toBe(1));
  const before = await service.call<object>('residue');
  const resident = await service.call<number>('resident');
  const counters = await service.call<Record<string, number>>('segmentCounters');
  const events = await service.call<number>('events');

  expect(await hostile(path, 'die', CYCLES)).toMatchObject({ killed: CYCLES });

  await companion.undisturbed();
  await eventually(async () => expect((await service.call('connections')).now).toBe(1));
  await eventually(async () => expect(await service.call('residue')).toEqual(before));
  await eventually(async () => expect((await service.call<number>('resident')) - resident).toBeLessThan(RSS_SLACK));
  expect((await service.call<Record<string, number>>('segmentCounters'))['reservedBytes']).toBe(counters['reservedBytes']);
  // What was committed outlives its sender, rung for or not.
  expect((await service.call<number>('events')) - events).toBe((CYCLES / 5) * 2);
  expect(socketsIn(service.directory)).toEqual([path]);
  expect(shared()).toEqual(shm);
});

it(`${SERVER_CYCLES} servers that are killed leave nothing in their client, nor in the folder`, async () => {
  const client = closeAfterwards(new RsmClient({ service: 'hostile', directory: serviceDirectory(), connectTimeout: 40_000 }));
  const shm = shared();
  // Other test files that ran in this process may have left some for the garbage collector: no more than there were.
  const left = (): number[] => {
    const { regions, descriptors } = residue();
    return [regions, descriptors['socket'] ?? 0, descriptors['pipe'] ?? 0];
  };
  const noMoreThan = (before: number[]): Promise<void> =>
    eventually(() => expect(left().map((count, i) => Math.max(count, before[i]!))).toEqual(before), { within: 10_000 });
  const regions = residue().regions;
  const cycle = async (): Promise<void> => {
    const service = await startService('hostile-target', { execArgv: ['--expose-gc'] });
    expect(await firstValueFrom(client.send('echo', 'hello'))).toBe('hello');
    await service.kill();
  };
  await cycle();
  await eventually(() => expect(residue().regions).toBeLessThanOrEqual(regions));
  const before = left();
  for (let i = 0; i < SERVER_CYCLES; i++) await cycle();
  await noMoreThan(before);
  // The client that meets the refusing sockets removes them.
  await eventually(() => expect(socketsIn(serviceDirectory())).toEqual([]), { within: 10_000 });
  await client.close();
  expect(shared()).toEqual(shm);
});
