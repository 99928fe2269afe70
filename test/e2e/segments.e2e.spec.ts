import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  type Connection,
  Connector,
  type ConnectorOptions,
  type DirectoryRow,
  type GroupRow,
  Lane,
  Outcome,
  type ReturnedMessage,
  type SegmentGeometry,
  type SegmentRow,
} from '@nestjs-rsm/segments';
import { payloadOf, digestOf } from '../services/random-payload.js';
import { closeAfterwards, eventually, serviceDirectory, type Service, startService } from '../support/index.js';

interface Tables {
  segments: SegmentRow[];
  groups: GroupRow[];
  counters: Record<string, number>;
}

const THREE_GROUPS: SegmentGeometry[] = [
  { partitionSize: 64, partitions: 32, spanFactor: 8 },
  { partitionSize: 256, partitions: 16, spanFactor: 8 },
  { partitionSize: 1024, partitions: 8, spanFactor: 4 },
];

let service: Service;

beforeEach(async () => {
  service = await startService('segments-listener');
});

async function connect(segments?: readonly SegmentGeometry[], options: Partial<ConnectorOptions> = {}): Promise<[Connector, Connection]> {
  const given = segments === undefined ? {} : { segments };
  await service.call('open', { service: 'plain', directory: serviceDirectory(), ...given });
  const connector = closeAfterwards(new Connector({ service: 'plain', directory: serviceDirectory(), ...given, ...options }));
  await connector.ready();
  const [connection] = connector.connections;
  return [connector, connection!];
}

function groupOf(rows: GroupRow[], direction: 'in' | 'out', number: number): GroupRow {
  const found = rows.filter((row) => row.direction === direction && row.number === number);
  expect(found).toHaveLength(1);
  return found[0]!;
}

/** Messages that each group of the connector's outgoing channel has carried. */
function carried(connector: Connector): number[] {
  const rows = connector.segmentGroupTable().filter((row) => row.direction === 'out');
  return rows.sort((a, b) => a.number - b.number).map((row) => row.messages);
}

async function arrivals(count: number): Promise<void> {
  await eventually(async () => expect((await service.call('state')).arrived).toBe(count));
}

describe('libs/segments without Nest', () => {
  it('carries strings and bytes to a service found by its name, in order and in batches', async () => {
    const [, connection] = await connect();
    expect(connection.peer).toMatchObject({ pid: service.pid, service: 'plain' });
    const payloads = Array.from({ length: 3_000 }, (_, i) => payloadOf(i, (i * 37) % 900));
    payloads.forEach((payload) => connection.send(Lane.events, 0, payload));
    await connection.flushed();
    expect((await service.call('arrived')).map(({ digest }: { digest: string }) => digest)).toEqual(payloads.map(digestOf));
    expect((await service.call('state')).largestBatch).toBeGreaterThan(1);
    expect((await service.call('peer')).pid).toBe(process.pid);
  });

  it('puts the header before the payload', async () => {
    const [connector, connection] = await connect();
    connector.header.write('header|');
    connection.send(Lane.events, 7, 'text');
    connector.header.write('HEADER|');
    connection.send(Lane.requests, 7, Buffer.from('bytes'));
    connection.send(Lane.immediate, 7);
    await arrivals(3);
    expect(await service.call('arrived')).toEqual([
      { length: 11, digest: digestOf('header|text'), lane: Lane.events, attempt: 0 },
      { length: 12, digest: digestOf('HEADER|bytes'), lane: Lane.requests, attempt: 0 },
      { length: 7, digest: digestOf('HEADER|'), lane: Lane.immediate, attempt: 0 },
    ]);
  });

  it('reports how each message ended, and gives back what was refused or returned', async () => {
    const [connector, connection] = await connect();
    const returned: ReturnedMessage[] = [];
    const released: [number, Outcome][] = [];
    connector.onReturned = (message) => returned.push(message);
    await service.call('hold');
    const outcomes = [Outcome.done, Outcome.failed, Outcome.nack, Outcome.returned];
    outcomes.forEach((_, i) =>
      connection.send(Lane.events, 0, `message ${i}`, { watchRelease: true, released: (outcome) => released.push([i, outcome]) }, 3),
    );
    await arrivals(4);
    expect(connection.inFlight).toBe(4);
    expect(released).toEqual([]);
    for (const outcome of outcomes) {
      await service.call('settle', outcome, 1);
    }
    await eventually(() => expect(released).toEqual(outcomes.map((outcome, i) => [i, outcome])));
    expect(connection.inFlight).toBe(0);
    expect(returned.map(({ bytes, outcome, attempt }) => [bytes.toString(), outcome, attempt])).toEqual([
      ['message 2', Outcome.nack, 3],
      ['message 3', Outcome.returned, 3],
    ]);
  });

  it('lets a writer wait until there is room, and keeps the order', async () => {
    const [, connection] = await connect([{ partitionSize: 16, partitions: 4, spanFactor: 2 }]);
    await service.call('hold');
    const written: number[] = [];
    const writes = Array.from({ length: 10 }, (_, i) => connection.write(`number ${i}`).then(() => written.push(i)));
    await eventually(() => expect(written).toEqual([0, 1, 2, 3]));
    await arrivals(4);
    expect(connection.queuedMessages).toBe(6);
    expect(connection.queuedBytes).toBe(6 * 8);
    await service.call('settle', Outcome.done, 1);
    await eventually(() => expect(written).toEqual([0, 1, 2, 3, 4]));
    await service.call('settle');
    await Promise.all(writes);
    await connection.flushed();
    expect(written).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const expected = written.map((i) => digestOf(`number ${i}`));
    expect((await service.call('arrived')).map(({ digest }: { digest: string }) => digest)).toEqual(expected);
  });

  it('refuses what would pass the budget of its queue, and nothing before', async () => {
    const [, connection] = await connect([{ partitionSize: 32, partitions: 1, spanFactor: 1 }], {
      maxQueuedBytes: 30,
      maxQueuedMessages: 3,
    });
    await service.call('hold');
    await connection.write('in flight');
    connection.send(Lane.events, 0, 'x'.repeat(20));
    expect(() => connection.send(Lane.events, 0, 'x'.repeat(11))).toThrow(expect.objectContaining({ code: 'RSM_BACKPRESSURE' }));
    connection.send(Lane.events, 0, 'x'.repeat(10));
    connection.send(Lane.events, 0, '');
    expect(() => connection.send(Lane.events, 0, '')).toThrow(expect.objectContaining({ code: 'RSM_BACKPRESSURE' }));
    await service.call('settle');
    await connection.flushed();
    expect((await service.call('arrived')).map(({ length }: { length: number }) => length)).toEqual([9, 20, 10, 0]);
  });
});

describe('what can be listed while messages are in flight', () => {
  it('M1, M2, M7, M8: every group pairs a source and a target segment of the same number of partitions of the same size', async () => {
    const back = [{ partitionSize: 48, partitions: 10, spanFactor: 5 }];
    await service.call('open', { service: 'plain', directory: serviceDirectory(), segments: THREE_GROUPS });
    const connector = closeAfterwards(new Connector({ service: 'plain', directory: serviceDirectory(), segments: back }));
    await connector.ready();
    const [connection] = connector.connections;
    await service.call('echo');
    await connection!.write('one message each way forms the segments');
    await eventually(() => expect(connector.counters()['messagesReceived']).toBe(1));

    const here: Tables = { segments: connector.segmentTable(), groups: connector.segmentGroupTable(), counters: connector.counters() };
    const there: Tables = await service.call('tables');
    const geometries = { out: THREE_GROUPS, in: back };
    for (const direction of ['out', 'in'] as const) {
      const opposite = direction === 'out' ? 'in' : 'out';
      geometries[direction].forEach((geometry, number) => {
        const mine = groupOf(here.groups, direction, number);
        const theirs = groupOf(there.groups, opposite, number);
        expect(mine).toMatchObject(geometry);
        expect(theirs).toMatchObject(geometry);
        const segments = [here.segments.find(({ id }) => id === mine.segment)!, there.segments.find(({ id }) => id === theirs.segment)!];
        expect(segments.map(({ role }) => role)).toEqual(direction === 'out' ? ['source', 'target'] : ['target', 'source']);
        segments.forEach((segment) => expect(segment).toMatchObject({ ...geometry, interconnect: 'mapped' }));
        expect(segments[0]!.length).toBe(segments[1]!.length);
        expect(segments[0]!.offset).toBe(segments[1]!.offset);
        expect(segments[0]!.length).toBeGreaterThanOrEqual(geometry.partitionSize * geometry.partitions);
      });
    }
    for (const { segments, groups } of [here, there]) {
      expect(groups).toHaveLength(4);
      expect(segments).toHaveLength(4);
      expect(new Set(segments.map(({ id }) => id)).size).toBe(4);
      expect(new Set(groups.map(({ id }) => id)).size).toBe(4);
    }
    await connector.close();
    await eventually(async () => expect((await service.call('tables')).segments).toEqual([]));
  });

  // Lengths against the group that must carry them: the largest partition smaller than the message, of those whose span can hold it.
  it.each([
    { length: 0, group: 0, partitions: 1 },
    { length: 1, group: 0, partitions: 1 },
    { length: 64, group: 0, partitions: 1 },
    { length: 65, group: 0, partitions: 2 },
    { length: 256, group: 0, partitions: 4 },
    { length: 257, group: 1, partitions: 2 },
    { length: 1024, group: 1, partitions: 4 },
    { length: 1025, group: 2, partitions: 2 },
    { length: 2049, group: 2, partitions: 3 },
    { length: 4096, group: 2, partitions: 4 },
  ])('M3, M4, M9: $length bytes go over group $group as $partitions partitions', async ({ length, group, partitions }) => {
    const [connector, connection] = await connect(THREE_GROUPS);
    await service.call('hold');
    connection.send(Lane.events, 0, payloadOf(length, length));
    await arrivals(1);
    expect(carried(connector)).toEqual([0, 1, 2].map((number) => (number === group ? 1 : 0)));
    expect(groupOf(connector.segmentGroupTable(), 'out', group)).toMatchObject({ messages: 1, bytes: length, partitionsTaken: partitions });

    // The receiver's directory has a mark at the first partition, and leads from each partition to the next.
    const target: DirectoryRow[] = await service.call('directory', 'in', group);
    const source = connector.directory(connection, 'out', group);
    for (const rows of [source, target]) {
      expect(rows).toHaveLength(THREE_GROUPS[group]!.partitions);
      const first = rows.findIndex((row) => row.first);
      expect(rows.filter((row) => row.first)).toHaveLength(1);
      expect(rows[first]!.length).toBe(length);
      const span: number[] = [];
      for (let at = first; at !== -1; at = rows[at]!.next) {
        span.push(at);
      }
      expect(span).toEqual(Array.from({ length: partitions }, (_, i) => first + i));
    }
    expect(source.filter((row) => row.taken)).toHaveLength(partitions);
    await service.call('settle');
    await connection.flushed();
    expect(connector.directory(connection, 'out', group).some((row) => row.taken)).toBe(false);
    expect(groupOf(connector.segmentGroupTable(), 'out', group)).toMatchObject({ partitionsTaken: 0, highWater: partitions });
  });

  it('M5: where the span of the group with smaller partitions is too short, a group with larger ones takes the message', async () => {
    const [connector, connection] = await connect([
      { partitionSize: 64, partitions: 8, spanFactor: 2 },
      { partitionSize: 1024, partitions: 8, spanFactor: 4 },
    ]);
    connection.send(Lane.events, 0, payloadOf(1, 128));
    connection.send(Lane.events, 0, payloadOf(2, 129));
    await connection.flushed();
    expect(carried(connector)).toEqual([1, 1]);
  });

  it('M10: a full group is passed over for the next smaller, then the next larger; then the sender waits, and nothing overtakes', async () => {
    const [connector, connection] = await connect([
      { partitionSize: 64, partitions: 8, spanFactor: 8 },
      { partitionSize: 128, partitions: 4, spanFactor: 4 },
      { partitionSize: 1024, partitions: 1, spanFactor: 1 },
    ]);
    await connection.write('the first message forms the segments');
    await connection.flushed();
    await service.call('hold');
    const message = payloadOf(2, 300); // 3 partitions of 128, else 5 of 64, else 1 of 1,024
    const committed: string[] = [];
    const send = (name: string, payload: string | Buffer): number =>
      connection.send(Lane.events, 0, payload, { committed: () => committed.push(name) });
    expect(send('preferred', message)).toBe(2);
    expect(carried(connector)).toEqual([1, 1, 0]);
    expect(send('smaller', message)).toBe(3);
    expect(carried(connector)).toEqual([2, 1, 0]);
    expect(send('larger', message)).toBe(4);
    expect(carried(connector)).toEqual([2, 1, 1]);
    expect(send('waits', message)).toBe(0);
    expect(send('small, behind it', 'tiny')).toBe(0);
    await arrivals(4);
    // Room for the small one there has been all the time.
    expect(connector.directory(connection, 'out', 0).some((row) => !row.taken)).toBe(true);
    expect(carried(connector)).toEqual([2, 1, 1]);
    await service.call('settle', Outcome.done, 1);
    await arrivals(6);
    expect(carried(connector)).toEqual([3, 2, 1]);
    expect(committed).toEqual(['waits', 'small, behind it']);
    await service.call('settle');
    await connection.flushed();
    const expected = [message, message, message, message, 'tiny'].map(digestOf);
    expect((await service.call('arrived')).slice(1).map(({ digest }: { digest: string }) => digest)).toEqual(expected);
  });

  it('counts what both sides did', async () => {
    const [connector, connection] = await connect();
    for (let i = 0; i < 20; i++) {
      await connection.write(Buffer.alloc(100));
    }
    await connection.flushed();
    expect(connector.counters()).toMatchObject({ messagesSent: 20, bytesSent: 2_000 });
    expect((await service.call('tables')).counters).toMatchObject({ messagesReceived: 20, bytesReceived: 2_000 });
  });
});
