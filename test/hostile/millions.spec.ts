/** What peers can make by the million: no map grows with it. */
import { describe, expect, it } from '@jest/globals';
import { Connector, Lane } from '@nestjs-rsm/segments';
import { useHostileTarget } from '../support/hostile-target.js';
import { closeAfterwards, eventually, startService } from '../support/index.js';

/** RSM_TEST_MILLIONS=2 for the long form. */
const COUNT = 1_000_000 * Number(process.env['RSM_TEST_MILLIONS'] ?? 0.1);
/** Bytes. A map of the short form's strings alone would take a good part of it. */
const RSS_SLACK = 40 * 1024 * 1024;
const BATCH = 2_000;
const PAD = 'p'.repeat(100);

const target = useHostileTarget();

describe('a server', () => {
  it.each<[string, Lane, (number: number) => Buffer]>([
    ['events of unknown patterns', Lane.events, (number) => frame(1, `${number}${PAD}`)],
    ['requests of unknown patterns', Lane.requests, (number) => frame(2, `${number}${PAD}`, number)],
    ['patterns that are objects', Lane.events, (number) => frame(1, `{"a${number}":"${PAD}"}`)],
    [
      'events of one pattern, with headers that are all different',
      Lane.events,
      (number) => frame(1, 'event', undefined, `{"h":{"k${number}${PAD}":1}}`),
    ],
  ])('remembers nothing of %s', async (_, lane, make) => {
    const connector = closeAfterwards(new Connector({ service: 'hostile', directory: target.service.directory }));
    await connector.ready();
    const [connection] = connector.connections;
    const counted = async (): Promise<number> => {
      const { events, requests } = await target.service.call<Record<string, number>>('serverCounters');
      return events! + (lane === Lane.requests ? requests! : 0);
    };
    const send = async (from: number, to: number): Promise<void> => {
      for (; from < to; from += BATCH) {
        await connection!.writeAll(
          Array.from({ length: BATCH }, (_, i) => make(from + i)),
          lane,
        );
      }
      await connection!.flushed();
    };
    await send(1, COUNT / 10); // code and pools
    const before = await target.grown();
    const first = await counted();
    await send(COUNT, 2 * COUNT);
    expect((await counted()) - first).toBeGreaterThanOrEqual(COUNT);
    // While the client is still connected.
    expect(connection!.open).toBe(true);
    expect((await target.grown()) - before).toBeLessThan(RSS_SLACK);
    expect(target.output().length).toBeLessThan(50_000);
  });
});

describe('a client', () => {
  it.each(['patterns', 'keys', 'headers'])('remembers no more than a bounded number of %s', async (what) => {
    const caller = await startService('hostile-caller', { execArgv: ['--expose-gc'], directory: target.service.directory });
    await caller.call('flood', what, 0, 100_000); // beyond every bound: what is kept is full now
    const before = await caller.call<number>('resident');
    await caller.call('flood', what, 100_000, COUNT);
    await eventually(async () => expect((await caller.call<number>('resident')) - before).toBeLessThan(RSS_SLACK));
  });
});

/** An event (1) or request (2) with its pattern inline. */
function frame(kind: 1 | 2, pattern: string, id?: number, extras?: string): Buffer {
  const head = Buffer.from([kind, 1, extras === undefined ? 16 : 17, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(pattern.length, 4);
  const parts: Buffer[] = [head, Buffer.from(pattern)];
  if (id !== undefined) parts.push(uint32(id));
  if (extras !== undefined) parts.push(uint32(extras.length), Buffer.from(extras));
  return Buffer.concat([...parts, Buffer.from('1')]);
}

function uint32(value: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
