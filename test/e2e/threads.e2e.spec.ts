import { describe, expect, it } from '@jest/globals';
import { eventually, serviceDirectory, startService } from '../support/index.js';

const MIB = 1024 * 1024;
const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

describe('worker threads', () => {
  it('serve and request, within one process and between two', async () => {
    const threads = await startService('threads');
    const serving: number[] = await threads.call('startServers', 3, 'threads');
    expect(new Set(serving).size).toBe(3);
    const elsewhere = await startService('threads');
    const results = await Promise.all([threads.call('clients', 4, 'threads', 3, 300), elsewhere.call('clients', 2, 'threads', 3, 300)]);
    const answers: { n: number; threadId: number }[][] = results.flat();
    expect(answers).toHaveLength(6);
    for (const list of answers) {
      expect(list.map(({ n }) => n)).toEqual(range(0, 300));
    }
    expect([...new Set(answers.flat().map(({ threadId }) => threadId))].sort()).toEqual([...serving].sort());
  });

  it.each([
    { departure: 'closes', what: 'close what they opened' },
    { departure: 'ends', what: 'end without closing' },
    { departure: 'is terminated', what: 'are terminated in the midst of traffic' },
  ])(
    'a hundred that load the addon, connect and $what leave nothing behind',
    async ({ departure }) => {
      const service = await startService('segments-listener');
      await service.call('open', { service: 'plain', directory: serviceDirectory() });
      await service.call('echo');
      const threads = await startService('threads');
      await threads.call('churn', 10, departure);
      const [here, there, rss] = await Promise.all([threads.call('residue'), service.call('residue'), threads.call<number>('rss')]);
      await threads.call('churn', 100, departure);
      await eventually(async () => expect(await threads.call('residue')).toEqual(here));
      await eventually(async () => expect(await service.call('residue')).toEqual(there));
      expect([here.regions, there.regions]).toEqual([0, 0]);
      expect((await service.call('state')).connections).toBe(0);
      // The segments of a hundred forgotten connections would show; what malloc keeps for threads is less.
      expect((await threads.call<number>('rss')) - rss).toBeLessThan(60 * MIB);
    },
    120_000,
  );
});

describe('one process', () => {
  it('holds several servers and clients of several services', async () => {
    const crowd = await startService('crowd');
    const { answers, requests } = await crowd.call('ask', 200);
    expect(answers).toEqual([0, 1, 2, 3].map((i) => range(i * 1_000_000, 200)));
    // Two clients with 200 requests for each service; two servers share those of the first.
    expect(requests[0] + requests[1]).toBe(400);
    expect(Math.min(requests[0], requests[1])).toBeGreaterThan(50);
    expect(requests[2]).toBe(400);
  });
});
