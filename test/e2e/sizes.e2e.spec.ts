import { beforeAll, describe, expect, it } from '@jest/globals';
import { type Connection, Connector, Lane, Outcome, type SegmentGeometry } from '@nestjs-rsm/segments';
import fc from 'fast-check';
import { RsmClient } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { digestOf, payloadOf } from '../services/random-payload.js';
import { closeAfterwards, eventually, newServiceDirectory, type Service, startService } from '../support/index.js';

interface Case {
  /** What the service receives into. */
  there: SegmentGeometry[];
  /** What this process receives into. */
  here: SegmentGeometry[];
  maxMessageSize: number;
  lengths: number[];
}

/** Odd sizes and counts are as good as even ones; a geometry with one partition of one byte is one. */
const geometry = fc
  .record({
    partitionSize: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 71, max: 5_000 })),
    partitions: fc.integer({ min: 1, max: 48 }),
    share: fc.integer({ min: 1, max: 100 }),
  })
  .map(({ partitionSize, partitions, share }) => ({
    partitionSize,
    partitions,
    spanFactor: Math.max(1, Math.ceil((partitions * share) / 100)),
  }));

const geometries = fc.uniqueArray(geometry, { minLength: 1, maxLength: 5, selector: ({ partitionSize }) => partitionSize });

function largestSpan(segments: SegmentGeometry[]): number {
  return Math.max(...segments.map(({ partitionSize, spanFactor }) => partitionSize * spanFactor));
}

/** Lengths at and around which a group changes: multiples of a partition, the whole span, several spans. */
function edges(segments: SegmentGeometry[], most: number): number[] {
  return segments
    .flatMap(({ partitionSize: size, partitions, spanFactor }) => [
      size,
      size * spanFactor,
      size * partitions,
      2 * size * spanFactor,
      3 * size,
    ])
    .flatMap((length) => [length - 1, length, length + 1])
    .concat(0, 1, most - 1, most)
    .filter((length) => length >= 0 && length <= most);
}

const cases: fc.Arbitrary<Case> = fc.record({ there: geometries, here: geometries }).chain(({ there, here }) => {
  // Longer than the largest span of either side, by a factor that keeps the number of fragments sane.
  const largest = Math.min(60_000, 50 * Math.min(largestSpan(there), largestSpan(here)));
  return fc.integer({ min: 1, max: largest }).chain((maxMessageSize) =>
    fc.record({
      there: fc.constant(there),
      here: fc.constant(here),
      maxMessageSize: fc.constant(maxMessageSize),
      lengths: fc.array(
        fc.oneof(
          fc.constantFrom(...edges(there, maxMessageSize), ...edges(here, maxMessageSize)),
          fc.integer({ min: 0, max: maxMessageSize }),
        ),
        { minLength: 1, maxLength: 120 },
      ),
    }),
  );
});

describe('messages of every size without Nest', () => {
  let service: Service;

  beforeAll(async () => {
    service = await startService('segments-listener');
  });

  async function open(given: Pick<Case, 'there' | 'here' | 'maxMessageSize'>): Promise<[Connector, Connection]> {
    const directory = newServiceDirectory();
    const { maxMessageSize } = given;
    await service.call('open', { service: 'sizes', directory, segments: given.there, maxMessageSize });
    const connector = new Connector({ service: 'sizes', directory, segments: given.here, maxMessageSize });
    await connector.ready();
    const [connection] = connector.connections;
    return [connector, connection!];
  }

  it('arrive byte-identical and in order, there and back, over any groups and in any mixture', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (given) => {
        const [connector, connection] = await open(given);
        try {
          const back: string[] = [];
          connector.onMessages = (batch) => {
            for (let i = 0; i < batch.count; i++) {
              back.push(digestOf(batch.copy(i)));
              connector.settle(batch.delivery(i), Outcome.done);
            }
          };
          await service.call('echo');
          const payloads = given.lengths.map((length, i) => payloadOf(i, length));
          await Promise.all(payloads.map((payload) => connection.write(payload)));
          await connection.flushed();
          const expected = payloads.map(digestOf);
          const arrived: { digest: string; length: number }[] = await service.call('arrived');
          expect(arrived.map(({ length }) => length)).toEqual(given.lengths);
          expect(arrived.map(({ digest }) => digest)).toEqual(expected);
          await eventually(() => expect(back).toHaveLength(expected.length));
          expect(back).toEqual(expected);
          expect((await service.call('state')).failures).toEqual([]);
        } finally {
          await connector.close();
          await service.call('close');
        }
      }),
      { numRuns: 60, interruptAfterTimeLimit: 120_000, markInterruptAsFailure: false },
    );
  }, 240_000);

  it('are refused one byte over maxMessageSize, whichever side has the lower one, before anything is copied', async () => {
    for (const [mine, theirs] of [
      [5_000, 9_999],
      [9_999, 5_000],
      [5_000, 5_000],
    ] as const) {
      const directory = newServiceDirectory();
      await service.call('open', { service: 'sizes', directory, maxMessageSize: theirs });
      const connector = new Connector({ service: 'sizes', directory, maxMessageSize: mine });
      await connector.ready();
      try {
        const [connection] = connector.connections;
        await connection!.write(Buffer.alloc(5_000, 1));
        await connection!.flushed();
        const look = (): unknown => {
          const { messagesSent, bytesSent, waits } = connector.counters();
          return { messagesSent, bytesSent, waits, groups: connector.segmentGroupTable(), queued: connection!.queuedBytes };
        };
        const before = look();
        for (const payload of [Buffer.alloc(5_001), 'x'.repeat(5_001), 'ß'.repeat(2_500) + 'x']) {
          expect(() => connection!.send(Lane.events, 0, payload)).toThrow(expect.objectContaining({ code: 'RSM_MESSAGE_TOO_LARGE' }));
          await expect(connection!.write(payload)).rejects.toMatchObject({ code: 'RSM_MESSAGE_TOO_LARGE' });
        }
        // The header counts too.
        expect(() => connection!.send(Lane.events, 1, Buffer.alloc(5_000))).toThrow(
          expect.objectContaining({ code: 'RSM_MESSAGE_TOO_LARGE' }),
        );
        expect(look()).toEqual(before);
        await connection!.write('ß'.repeat(2_500));
        await connection!.flushed();
        expect((await service.call('arrived')).map(({ length }: { length: number }) => length)).toEqual([5_000, 5_000]);
      } finally {
        await connector.close();
        await service.call('close');
      }
    }
  });
});

describe('messages of every size through Nest', () => {
  const segments = [
    { partitionSize: 61, partitions: 40, spanFactor: 5 },
    { partitionSize: 1_003, partitions: 20, spanFactor: 7 },
  ];
  const maxMessageSize = 300_000;

  async function start(): Promise<RsmClient> {
    const directory = newServiceDirectory();
    await startService('jobs', { directory, options: { server: { segments, maxMessageSize } } });
    return closeAfterwards(new RsmClient({ service: 'jobs', directory, segments, maxMessageSize }));
  }

  it('arrive byte-identical and in order, as requests, replies and events', async () => {
    const client = await start();
    const lengths = edges(segments, 30_000).concat(100_000, 250_000);
    const payloads = lengths.map((length, i) => payloadOf(i, length));
    const answers = await Promise.all(payloads.map((payload) => lastValueFrom(client.send<string | Buffer>('echo', payload))));
    answers.forEach((answer, i) => {
      expect(typeof answer).toBe(typeof payloads[i]);
      expect(digestOf(answer)).toBe(digestOf(payloads[i]!));
    });
    await Promise.all(payloads.map((payload) => lastValueFrom(client.emit('digest', payload), { defaultValue: undefined })));
    const expected = payloads.map(digestOf);
    await eventually(async () => expect(await lastValueFrom(client.send('digests', {}))).toEqual(expected));
  });

  it('are refused beyond maxMessageSize with RSM_MESSAGE_TOO_LARGE, and nothing is copied', async () => {
    const client = await start();
    // Patterns are announced before their first message.
    await lastValueFrom(client.send('echo', 'formed'));
    await lastValueFrom(client.emit('digest', 'formed'));
    const connector = client.unwrap<Connector>();
    const look = (): unknown => {
      const { messagesSent, bytesSent } = connector.counters();
      return { messagesSent, bytesSent, messages: connector.segmentGroupTable().map(({ messages, bytes }) => [messages, bytes]) };
    };
    const before = look();
    await expect(lastValueFrom(client.send('echo', Buffer.alloc(maxMessageSize)))).rejects.toMatchObject({ code: 'RSM_MESSAGE_TOO_LARGE' });
    await expect(lastValueFrom(client.emit('digest', 'x'.repeat(maxMessageSize)))).rejects.toMatchObject({ code: 'RSM_MESSAGE_TOO_LARGE' });
    const object = { text: 'x'.repeat(maxMessageSize) };
    await expect(lastValueFrom(client.send('echo', object))).rejects.toMatchObject({ code: 'RSM_MESSAGE_TOO_LARGE' });
    expect(look()).toEqual(before);
    expect(await lastValueFrom(client.send('echo', 'still alive'))).toBe('still alive');
  });
});
