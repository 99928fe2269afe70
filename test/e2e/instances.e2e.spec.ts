import { describe, expect, it } from '@jest/globals';
import { RsmClient, type RsmClientOptions, RsmRecordBuilder } from 'nestjs-rsm';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import type { JobRecord } from '../services/jobs.js';
import { closeAfterwards, eventually, serviceDirectory, type Service, startService } from '../support/index.js';

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const byNumber = (a: number, b: number): number => a - b;

function newClient(options: Partial<RsmClientOptions> = {}): RsmClient {
  return closeAfterwards(new RsmClient({ service: 'jobs', directory: serviceDirectory(), ...options }));
}

/** Instances that handle their events one after the other, so that their records show the order of arrival. */
function startInstances(count: number): Promise<Service[]> {
  return Promise.all(range(0, count).map(() => startService('jobs', { options: { server: { concurrency: 1 } } })));
}

async function connected(client: RsmClient, instances: number): Promise<void> {
  await client.connect();
  await eventually(() => expect(client.counters.connections).toBe(instances));
}

async function finishedBy(service: Service): Promise<number[]> {
  return (await service.call('state')).finished;
}

async function recordsOf(service: Service): Promise<JobRecord[]> {
  return (await service.call('state')).records;
}

describe('several instances of one service', () => {
  it('balance: every instance gets its share of events and requests, and each message is handled once', async () => {
    const services = await startInstances(3);
    const client = newClient();
    await connected(client, 3);
    await Promise.all(range(0, 600).map((n) => lastValueFrom(client.emit('job', { n }))));
    await eventually(async () => {
      const lists = await Promise.all(services.map(finishedBy));
      expect(lists.flat().sort(byNumber)).toEqual(range(0, 600));
    });
    const lists = await Promise.all(services.map(finishedBy));
    lists.forEach((list) => {
      expect(list.length).toBeGreaterThan(60);
      expect(list).toEqual([...list].sort(byNumber)); // order holds per sender and instance
    });

    const pids = await Promise.all(range(0, 300).map(() => lastValueFrom(client.send<number>('who', {}))));
    const answered = services.map(({ pid }) => pids.filter((answering) => answering === pid).length);
    expect(answered.reduce((sum, count) => sum + count)).toBe(300);
    answered.forEach((count) => expect(count).toBeGreaterThan(30));
  });

  it('broadcast: each instance that is live at the call gets each event, newcomers those from then on', async () => {
    const services = await startInstances(3);
    const client = newClient({ routing: 'broadcast' });
    await connected(client, 3);
    await Promise.all(range(0, 50).map((n) => lastValueFrom(client.emit('job', { n }))));
    const newcomer = await startService('jobs', { options: { server: { concurrency: 1 } } });
    await connected(client, 4);
    await Promise.all(range(50, 80).map((n) => lastValueFrom(client.emit('job', { n }))));
    await eventually(async () => {
      for (const service of services) expect(await finishedBy(service)).toEqual(range(0, 80));
      expect(await finishedBy(newcomer)).toEqual(range(50, 80));
    });
    // send balances all the same, and a record may ask for the other routing.
    const pids = new Set(await Promise.all(range(0, 80).map(() => lastValueFrom(client.send<number>('who', {})))));
    expect(pids.size).toBe(4);
    await lastValueFrom(client.emit('job', new RsmRecordBuilder({ n: 100 }).setRouting('balance').setConfirm().build()));
    const all = (await Promise.all([...services, newcomer].map(finishedBy))).flat();
    expect(all.filter((n) => n === 100)).toHaveLength(1);
  });

  it('broadcast: a full instance delays only its own copy', async () => {
    const slow = await startService('jobs', {
      options: { gated: true, server: { concurrency: 1, segments: [{ partitionSize: 256, partitions: 4, spanFactor: 4 }] } },
    });
    const client = newClient({ routing: 'broadcast' });
    const [fast] = await startInstances(1);
    await connected(client, 2);
    const emits = range(0, 40).map((n) => lastValueFrom(client.emit('job', { n })));
    await eventually(async () => expect(await finishedBy(fast!)).toEqual(range(0, 40)));
    expect((await slow.call('state')).started).toEqual([0]);
    await slow.call('openGate');
    await Promise.all(emits);
    await eventually(async () => expect(await finishedBy(slow)).toEqual(range(0, 40)));
  });

  it('setKey: the messages of one key stay on one instance while it lives, in order, and those of its keys move when it goes', async () => {
    const services = await startInstances(3);
    const client = newClient();
    await connected(client, 3);
    const keys = range(0, 20).map((i) => `key-${i}`);
    const emitRound = (from: number, to: number): Promise<unknown> =>
      Promise.all(
        range(from, to).flatMap((n) =>
          keys.map((key) => lastValueFrom(client.emit('job', new RsmRecordBuilder({ n, key }).setKey(key).setConfirm().build()))),
        ),
      );
    const placement = async (from: number, living: Service[]): Promise<Map<string, number>> => {
      const places = new Map<string, number>();
      for (const service of living) {
        const records = (await recordsOf(service)).filter(({ n }) => n >= from);
        for (const key of new Set(records.map((record) => record.key!))) {
          expect(places.has(key)).toBe(false);
          places.set(key, service.pid);
          const numbers = records.filter((record) => record.key === key).map(({ n }) => n);
          expect(numbers).toEqual([...numbers].sort(byNumber));
        }
      }
      expect([...places.keys()].sort()).toEqual([...keys].sort());
      return places;
    };

    await emitRound(0, 20);
    const before = await placement(0, services);
    const used = services.filter(({ pid }) => [...before.values()].includes(pid));
    expect(used.length).toBeGreaterThan(1);
    // Requests of a key go where its events go.
    for (const key of keys.slice(0, 5)) {
      expect(await lastValueFrom(client.send('who', new RsmRecordBuilder({}).setKey(key).build()))).toBe(before.get(key));
    }

    const leaving = used[0]!;
    await leaving.stop();
    const rest = services.filter((service) => service !== leaving);
    await emitRound(20, 40);
    const after = await placement(20, rest);
    for (const [key, pid] of before) {
      if (pid !== leaving.pid) expect([key, after.get(key)]).toEqual([key, pid]);
    }
  });

  it('come and go while clients run: every event is handled once and every request answered', async () => {
    const ended: number[] = [];
    let services = await startInstances(2);
    const client = newClient({ connectTimeout: 45_000 });
    await connected(client, 2);
    let running = true;
    let events = 0;
    let requests = 0;
    const emitting = (async () => {
      for (; running; events++) {
        await lastValueFrom(client.emit('job', { n: events }));
        if (events % 5 === 0) await sleep(1);
      }
    })();
    const asking = (async () => {
      for (; running; requests++) {
        expect(await lastValueFrom(client.send('echo', { requests }))).toEqual({ requests });
        await sleep(1);
      }
    })();
    for (let round = 0; round < 4; round++) {
      const newcomer = await startService('jobs', { options: { server: { concurrency: 1 } } });
      await eventually(async () => expect((await finishedBy(newcomer)).length).toBeGreaterThan(20));
      const leaving = services[0]!;
      await leaving.call('drain');
      ended.push(...(await finishedBy(leaving)));
      await leaving.stop();
      services = [...services.slice(1), newcomer];
    }
    running = false;
    await Promise.all([emitting, asking]);
    expect(requests).toBeGreaterThan(0);
    await eventually(async () => {
      const all = [...ended, ...(await Promise.all(services.map(finishedBy))).flat()];
      expect(all.sort(byNumber)).toEqual(range(0, events));
    });
  });
});

describe('node:cluster', () => {
  it('each worker serves; one that dies is replaced while clients run', async () => {
    const cluster = await startService('cluster', { options: { workers: 3 } });
    const client = newClient({ connectTimeout: 45_000 });
    await connected(client, 3);
    const serving = async (): Promise<number[]> => [
      ...new Set(await Promise.all(range(0, 60).map(() => lastValueFrom(client.send<number>('who', {}))))),
    ];
    const first: number[] = await cluster.call('workers');
    expect((await serving()).sort(byNumber)).toEqual(first.sort(byNumber));

    await cluster.call('replace', first[0]);
    await eventually(() => expect(client.counters.connections).toBe(4));
    const second: number[] = await cluster.call('workers');
    expect(second).not.toContain(first[0]);
    await eventually(async () => expect((await serving()).sort(byNumber)).toEqual(second.sort(byNumber)));
  });
});
