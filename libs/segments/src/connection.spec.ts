import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  Connector,
  Lane,
  Listener,
  Outcome,
  type RsmError,
  type Connection,
  type ConnectorOptions,
  type Endpoint,
  type ListenerOptions,
  type ReturnedMessage,
  type SegmentGeometry,
} from './index.js';
import type { NativeEndpoint } from './native.js';

const SMALL: SegmentGeometry[] = [
  { partitionSize: 64, partitions: 16, spanFactor: 4 },
  { partitionSize: 512, partitions: 8, spanFactor: 4 },
];

interface Received {
  delivery: number;
  lane: number;
  attempt: number;
  bytes: Buffer;
}

interface Pair {
  listener: Listener;
  connector: Connector;
  /** The client's end. */
  client: Connection;
  /** The listener's end. */
  server: Connection;
}

let directory: string;
let endpoints: Endpoint[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rsm-connection-'));
});
afterEach(async () => {
  for (const endpoint of endpoints) await (endpoint as Listener | Connector).close();
  endpoints = [];
  rmSync(directory, { recursive: true, force: true });
});

async function connectPair(listen: Partial<ListenerOptions> = {}, connect: Partial<ConnectorOptions> = {}): Promise<Pair> {
  const listener = new Listener({ service: 'orders', directory, segments: SMALL, ...listen });
  const connector = new Connector({ service: 'orders', directory, segments: SMALL, ...connect });
  endpoints.push(connector, listener);
  await listener.listen();
  await connector.ready(20_000);
  await until(() => listener.connections.size === 1);
  const [client] = connector.connections;
  const [server] = listener.connections;
  return { listener, connector, client: client!, server: server! };
}

/** Collects what an endpoint receives; settles it with `outcome`, if one is given. */
function collect(endpoint: Endpoint, outcome?: Outcome): Received[] {
  const received: Received[] = [];
  endpoint.onMessages = (batch) => {
    for (let i = 0; i < batch.count; i++) {
      received.push({ delivery: batch.delivery(i), lane: batch.lane(i), attempt: batch.attempt(i), bytes: batch.copy(i) });
      if (outcome && batch.lane(i) !== Lane.immediate) endpoint.settle(batch.delivery(i), outcome);
    }
  };
  return received;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Bytes in which every position and every message differs. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 17 + seed * 101) & 255;
  return bytes;
}

function errorOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** Sends messages nobody settles until one must wait; returns how many were sent, the waiting one included. */
function fill(connection: Connection, length = 64): number {
  for (let sent = 1; ; sent++) {
    connection.sendBytes(Lane.events, pattern(length, sent));
    if (connection.queuedMessages > 0 && connection.inFlight > 0) return sent;
    // Segments are formed at the first message: until then everything waits.
    if (sent === 4096) throw new Error('the segments have no end');
  }
}

async function warmUp(connection: Connection): Promise<void> {
  await connection.write(Buffer.alloc(0), Lane.immediate);
  await connection.flushed();
}

describe('a connection', () => {
  it('carries every size from 0 to maxMessageSize both ways, byte-identical and in order', async () => {
    const maxMessageSize = 20_000;
    const { listener, connector, client, server } = await connectPair({ maxMessageSize }, { maxMessageSize });
    const atServer = collect(listener, Outcome.done);
    const atClient = collect(connector, Outcome.done);
    const sizes = [...Array(600).keys(), 1023, 1024, 1025, 2047, 2048, 2049, 4096, 8192, maxMessageSize - 1, maxMessageSize, 0, 1];
    sizes.forEach((size, i) => {
      client.sendBytes(Lane.events, pattern(size, i));
      server.sendBytes(Lane.events, pattern(size, i + 1));
    });
    await Promise.all([client.flushed(), server.flushed()]);
    expect([atServer.length, atClient.length]).toEqual([sizes.length, sizes.length]);
    sizes.forEach((size, i) => {
      expect(atServer[i]!.bytes.equals(pattern(size, i))).toBe(true);
      expect(atClient[i]!.bytes.equals(pattern(size, i + 1))).toBe(true);
    });
  });

  it('carries any mixture of sizes over any set of groups', async () => {
    const geometry = fc
      .record({ partitionSize: fc.integer({ min: 8, max: 700 }), partitions: fc.integer({ min: 1, max: 40 }), span: fc.nat() })
      .map(({ partitionSize, partitions, span }) => ({ partitionSize, partitions, spanFactor: 1 + (span % partitions) }));
    const segments = fc.uniqueArray(geometry, { minLength: 1, maxLength: 4, selector: ({ partitionSize }) => partitionSize });
    const exact = fc.record({ group: fc.nat(), partitions: fc.nat(), over: fc.integer({ min: -1, max: 1 }) });
    const sizes = fc.array(fc.oneof(fc.nat({ max: 3_000 }), exact), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(segments, sizes, async (listenSegments, choices) => {
        const { listener, connector, client } = await connectPair({ segments: listenSegments });
        const received = collect(listener, Outcome.done);
        const lengths = choices.map((choice) => {
          if (typeof choice === 'number') return choice;
          const { partitionSize, partitions } = listenSegments[choice.group % listenSegments.length]!;
          return Math.max(0, partitionSize * (1 + (choice.partitions % partitions)) + choice.over);
        });
        lengths.forEach((length, i) => client.sendBytes(Lane.events, pattern(length, i)));
        await client.flushed();
        expect(received.map(({ bytes }) => bytes.length)).toEqual(lengths);
        expect(received.every(({ bytes }, i) => bytes.equals(pattern(lengths[i]!, i)))).toBe(true);
        await connector.close();
        await listener.close();
      }),
      { numRuns: 25 },
    );
  });

  it('puts header and text together, whether it sends at once or queues', async () => {
    const { listener, connector, client } = await connectPair();
    const received = collect(listener, Outcome.done);
    const texts = ['', 'a', 'ä€😀', 'x'.repeat(56), 'x'.repeat(57), '\ud800 alone', '€'.repeat(500), 'end'];
    const sendAll = (): void => {
      texts.forEach((text, i) => {
        connector.header.write(`head-${i}:`, 0, 'latin1');
        client.send(Lane.events, 7, text);
        connector.header.fill(0, 0, 7);
      });
    };
    sendAll();
    await client.flushed();
    sendAll();
    await client.flushed();
    const expected = texts.map((text, i) => `head-${i}:${Buffer.from(text).toString()}`);
    expect(received.map(({ bytes }) => bytes.toString())).toEqual([...expected, ...expected]);
  });

  it('sends a batch in order, of strings and bytes, longer than the segments hold, with long messages among them', async () => {
    const { listener, connector, client } = await connectPair({ maxMessageSize: 20_000 });
    const received = collect(listener, Outcome.done);
    await client.writeAll([]);
    const batch = Array.from({ length: 3000 }, (_, i) => (i % 3 === 0 ? `řádek ${i}` : pattern(i % 500 === 1 ? 9_000 : i % 700, i)));
    await client.writeAll(batch);
    await client.flushed();
    expect(received.length).toBe(batch.length);
    expect(received.every(({ bytes }, i) => bytes.equals(Buffer.from(batch[i]!)))).toBe(true);
    await expect(client.writeAll(['fits', Buffer.alloc(20_001)])).rejects.toMatchObject({ code: 'RSM_MESSAGE_TOO_LARGE' });
    expect(connector.counters()['messagesSent']).toBe(batch.length);
    client.close();
    await expect(client.writeAll(['late'])).rejects.toMatchObject({ code: 'RSM_CONNECTION_LOST' });
  });

  it('commits packed messages with one call, as many as there is room for, and refuses before anything is committed', async () => {
    const { listener, connector, client } = await connectPair({ maxMessageSize: 4_000 });
    await warmUp(client);
    const received = collect(listener, Outcome.done);
    const messages = Array.from({ length: 200 }, (_, i) => pattern(i === 100 ? 3_000 : i % 90, i));
    const lengths = Uint32Array.from(messages, ({ length }) => length);
    const packed = Buffer.concat(messages);
    const calls: number[] = [];
    for (let sent = 0; sent < messages.length;) {
      calls.push(client.sendBatch(Lane.events, packed, lengths, sent));
      sent += calls.at(-1)!;
      if (sent < messages.length) await client.write(messages[sent++]!);
    }
    await client.flushed();
    expect(received.map(({ bytes }) => bytes)).toEqual(messages);
    expect(calls[0]).toBeGreaterThan(1);
    const before = connector.counters()['messagesSent'];
    expect(errorOf(() => client.sendBatch(Lane.events, Buffer.alloc(4_002), Uint32Array.of(1, 4_001)))).toMatchObject({
      code: 'RSM_MESSAGE_TOO_LARGE',
    });
    expect(errorOf(() => client.sendBatch(Lane.events, Buffer.alloc(3), Uint32Array.of(1, 3)))).toMatchObject({
      code: 'RSM_INVALID_OPTIONS',
    });
    expect(connector.counters()['messagesSent']).toBe(before);
    const { native } = client as unknown as { native: NativeEndpoint };
    const nativeBatch = (first: number): number =>
      native.sendBatch(client.id, Lane.events, Buffer.alloc(4_002), Uint32Array.of(1, 4_001), first);
    expect(nativeBatch(0)).toBe(1); // committed, and the caller knows
    expect(errorOf(() => nativeBatch(1))).toMatchObject({ code: 'RSM_MESSAGE_TOO_LARGE' });
    client.close();
    expect(errorOf(() => client.sendBatch(Lane.events, packed, lengths))).toMatchObject({ code: 'RSM_CONNECTION_LOST' });
  });

  it('delivers lanes and attempts as they were sent', async () => {
    const { listener, client } = await connectPair();
    const received = collect(listener, Outcome.done);
    client.sendBytes(Lane.requests, Buffer.from('r'), undefined, 3);
    client.sendBytes(Lane.immediate, Buffer.from('i'));
    client.sendBytes(Lane.events, Buffer.from('e'), undefined, 1);
    await client.flushed();
    const rows = received.map(({ bytes, lane, attempt }) => [bytes.toString(), lane, attempt]);
    expect(rows.sort()).toEqual([
      ['e', 1, 1],
      ['i', 0, 0],
      ['r', 2, 3],
    ]);
  });

  it("refuses one byte more than either side's maxMessageSize, before anything is copied", async () => {
    const { listener, client, server } = await connectPair({ maxMessageSize: 1_000 }, { maxMessageSize: 2_000 });
    const received = collect(listener, Outcome.done);
    for (const connection of [client, server]) {
      for (const payload of [Buffer.alloc(1_001), 'é'.repeat(501)]) {
        const error = errorOf(() => connection.send(Lane.events, 0, payload)) as RsmError;
        expect(error.code).toBe('RSM_MESSAGE_TOO_LARGE');
        expect(error.message).toContain('1000');
        expect(error.message).toContain(String(Buffer.byteLength(payload)));
      }
    }
    expect(errorOf(() => client.send(Lane.events, 1, Buffer.alloc(1_000)))).toMatchObject({ code: 'RSM_MESSAGE_TOO_LARGE' });
    await expect(client.write('é'.repeat(501))).rejects.toMatchObject({ code: 'RSM_MESSAGE_TOO_LARGE' });
    await client.write('é'.repeat(500));
    await client.flushed();
    expect(received.map(({ bytes }) => bytes.length)).toEqual([1_000]);
  });
});

describe('back-pressure', () => {
  it('queues up to the budget, refuses at the limit and not before, loses nothing', async () => {
    const { listener, client } = await connectPair({}, { maxQueuedMessages: 50 });
    const received = collect(listener);
    await warmUp(client);
    const filled = fill(client);
    for (let i = 1; i < 50; i++) expect(client.send(Lane.events, 0, `queued ${i}`)).toBe(0);
    const error = errorOf(() => client.send(Lane.events, 0, 'too many')) as RsmError;
    expect(error).toMatchObject({ code: 'RSM_BACKPRESSURE', message: expect.stringMatching(/maxQueuedMessages \(50\).*orders/) });
    expect(client).toMatchObject({ queuedMessages: 50 });

    let settled = 0;
    await until(() => {
      while (settled < received.length) {
        const { delivery, lane } = received[settled++]!;
        if (lane !== Lane.immediate) listener.settle(delivery, Outcome.done);
      }
      return received.length === 1 + filled + 49;
    });
    expect(received.slice(1 + filled).map(({ bytes }) => bytes.toString())).toEqual(
      Array.from({ length: 49 }, (_, i) => `queued ${i + 1}`),
    );
    await client.flushed();
    expect(client).toMatchObject({ queuedBytes: 0, queuedMessages: 0, inFlight: 0 });
  });

  it('counts bytes, and one message alone always fits', async () => {
    const { connector, client, listener } = await connectPair({}, { maxQueuedBytes: 100 });
    const received = collect(listener, Outcome.done);
    // Before the segments are formed, everything waits.
    expect(client.sendBytes(Lane.events, Buffer.alloc(5_000))).toBe(0);
    expect(connector.budget).toMatchObject({ bytes: 5_000, messages: 1 });
    expect(errorOf(() => client.sendBytes(Lane.events, Buffer.alloc(1)))).toMatchObject({
      code: 'RSM_BACKPRESSURE',
      message: expect.stringContaining('maxQueuedBytes (100)'),
    });
    await client.flushed();
    expect(received.map(({ bytes }) => bytes.length)).toEqual([5_000]);
    expect(connector.budget).toMatchObject({ bytes: 0, messages: 0 });
  });

  it('counts a message longer than the largest span until the receiver has released it, and calls it committed when all of it has left', async () => {
    const { listener, connector, client } = await connectPair({ maxMessageSize: 100_000 }, { maxQueuedBytes: 60_000 });
    await warmUp(client);
    const received = collect(listener);
    const told: string[] = [];
    const long = pattern(50_000, 1); // 25 spans, of which the segments hold two at a time
    const watcher = { committed: () => told.push('committed'), released: () => told.push('released'), watchRelease: true };
    expect(client.sendBytes(Lane.events, long, watcher)).toBe(0);
    expect(connector.budget).toMatchObject({ bytes: 50_000, messages: 1 });
    expect(errorOf(() => client.sendBytes(Lane.events, pattern(20_000, 2)))).toMatchObject({ code: 'RSM_BACKPRESSURE' });
    await until(() => told.includes('committed'));
    await until(() => received.length === 1);
    expect(received[0]!.bytes.equals(long)).toBe(true);
    expect(told).toEqual(['committed']);
    expect(connector.budget).toMatchObject({ bytes: 50_000, messages: 1 });
    listener.settle(received[0]!.delivery, Outcome.done);
    await until(() => told.includes('released'));
    expect(connector.budget).toMatchObject({ bytes: 0, messages: 0 });
  });

  it('holds who awaits write() until the receiver has settled', async () => {
    const { listener, client } = await connectPair();
    const received = collect(listener);
    await warmUp(client);
    fill(client);
    let written = false;
    const writing = client.write('waits').then(() => (written = true));
    await until(() => received.length > 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(written).toBe(false);
    collect(listener, Outcome.done);
    for (const { delivery, lane } of received) if (lane !== Lane.immediate) listener.settle(delivery, Outcome.done);
    await writing;
    await client.flushed();
  });

  it('tells watchers of queued messages when they are committed, in order and never inside send()', async () => {
    const { listener, client } = await connectPair();
    collect(listener, Outcome.done);
    const committed: [number, number][] = [];
    let sending = true;
    for (let i = 0; i < 3_000; i++) {
      const watcher = {
        committed: (sequence: number) => {
          expect(sending).toBe(false);
          committed.push([i, sequence]);
        },
      };
      const sequence = client.sendBytes(Lane.events, pattern(i % 200, i), watcher);
      if (sequence > 0) committed.push([i, sequence]);
    }
    sending = false;
    await client.flushed();
    expect(committed.map(([i]) => i)).toEqual([...Array(3_000).keys()]);
    expect(committed.every(([, sequence], i) => i === 0 || sequence > committed[i - 1]![1])).toBe(true);
  });

  it('puts a redelivered message before everything queued, even beyond the budget; hands the queue out in order', async () => {
    const { connector, client } = await connectPair({}, { maxQueuedMessages: 2 });
    // Nothing is committed before the loop turns: the segments are formed at the first message.
    client.sendBytes(Lane.events, Buffer.from('first'));
    client.sendBytes(Lane.requests, Buffer.from('second'), undefined, 2);
    expect(errorOf(() => client.sendBytes(Lane.events, Buffer.from('third')))).toMatchObject({ code: 'RSM_BACKPRESSURE' });
    const failed: RsmError[] = [];
    const watcher = { failed: (error: RsmError) => failed.push(error) };
    expect(client.sendBytes(Lane.events, Buffer.from('returned'), watcher, 1, true)).toBe(0);
    const taken = client.takeQueued();
    expect(taken.map(({ bytes, lane, attempt }) => [bytes.toString(), lane, attempt])).toEqual([
      ['returned', 1, 1],
      ['first', 1, 0],
      ['second', 2, 2],
    ]);
    expect(taken[0]!.watcher).toBe(watcher);
    expect(connector.budget).toMatchObject({ bytes: 0, messages: 0 });
    await connector.close();
    expect(failed).toEqual([]);
  });
});

describe('releases', () => {
  it.each([Outcome.done, Outcome.failed, Outcome.nack, Outcome.returned])(
    'reach the watcher and the owner: outcome %p',
    async (outcome) => {
      const { listener, connector, client } = await connectPair();
      const returned: ReturnedMessage[] = [];
      const released: Outcome[] = [];
      connector.onReturned = (message) => returned.push(message);
      await warmUp(client);
      collect(listener, outcome);
      const watcher = { watchRelease: true, released: (result: Outcome) => released.push(result) };
      connector.header.write('head');
      const sequence = client.send(Lane.requests, 4, 'body', watcher, 2);
      expect(sequence).toBeGreaterThan(0);
      expect(released).toEqual([]);
      await until(() => released.length > 0);
      expect(released).toEqual([outcome]);
      const comesBack = outcome === Outcome.nack || outcome === Outcome.returned;
      expect(returned).toHaveLength(comesBack ? 1 : 0);
      if (comesBack) {
        expect(returned[0]).toMatchObject({ connection: client, lane: Lane.requests, attempt: 2, sequence, outcome, watcher });
        expect(returned[0]!.started).toBe(outcome === Outcome.nack);
        expect(returned[0]!.bytes.toString()).toBe('headbody');
      }
    },
  );

  it('hand back what nobody receives', async () => {
    const { connector, client } = await connectPair();
    const returned: string[] = [];
    connector.onReturned = ({ bytes }) => returned.push(bytes.toString());
    client.sendBytes(Lane.events, Buffer.from('one'));
    client.sendBytes(Lane.requests, Buffer.from('two'));
    await client.flushed();
    await until(() => returned.length === 2);
    expect(returned.sort()).toEqual(['one', 'two']);
  });

  it('come from anywhere, more at once than the outbox holds', async () => {
    const { listener, client } = await connectPair({ segments: [{ partitionSize: 16, partitions: 16_384, spanFactor: 4 }] });
    const received = collect(listener);
    for (let i = 0; i < 10_000; i++) client.sendBytes(Lane.events, Buffer.from(String(i)));
    await until(() => received.length === 10_000);
    for (const { delivery } of received) listener.settle(delivery, Outcome.done);
    await client.flushed();
    expect(received.map(({ bytes }) => Number(bytes.toString()))).toEqual([...Array(10_000).keys()]);
  });

  it('free the partitions at release() and the credit at finish()', async () => {
    const { listener, client } = await connectPair({ requestCredit: 2 });
    const received = collect(listener);
    for (const text of ['a', 'b', 'c']) client.sendBytes(Lane.requests, Buffer.from(text));
    await until(() => received.length === 2);
    for (const { delivery } of received) listener.release(delivery, Outcome.done);
    await until(() => client.inFlight === 1);
    expect(received).toHaveLength(2);
    listener.finish(received[0]!.delivery);
    await until(() => received.length === 3);
    listener.settle(received[2]!.delivery, Outcome.done);
    await client.flushed();
    listener.finish(received[1]!.delivery);
  });
});

describe('flushed()', () => {
  it('waits for the receiver, and not only for the commit', async () => {
    const { listener, client } = await connectPair();
    const received = collect(listener);
    await client.write('x');
    let flushed = false;
    const flushing = client.flushed().then(() => (flushed = true));
    await until(() => received.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(flushed).toBe(false);
    listener.settle(received[0]!.delivery, Outcome.done);
    await flushing;
    await expect(client.flushed()).resolves.toBeUndefined();
  });

  it('rejects when the connection ends first', async () => {
    const { listener, client } = await connectPair();
    const received = collect(listener);
    await client.write('x');
    const flushing = client.flushed();
    await until(() => received.length === 1);
    await Promise.all([listener.close(), expect(flushing).rejects.toMatchObject({ code: 'RSM_CONNECTION_LOST' })]);
  });
});

describe('a lost connection', () => {
  it("tells 'hangup', gives unfinished messages back in order, tells 'closed', then fails what is queued", async () => {
    const { listener, connector, client } = await connectPair();
    const received = collect(listener);
    await warmUp(client);
    const story: unknown[] = [];
    connector.on('hangup', (connection) => story.push(['hangup', connection === client, connection.open]));
    connector.onReturned = ({ bytes, outcome, lane }) => story.push([bytes.toString(), outcome, lane]);
    connector.on('closed', () => story.push('closed'));
    for (const text of ['one', 'two', 'three']) expect(client.sendBytes(Lane.requests, Buffer.from(text))).toBeGreaterThan(0);
    await until(() => received.length === 4);
    fill(client, 256);
    const waiting = client.queuedMessages;
    const watcher = { failed: (error: RsmError) => story.push(error.code) };
    client.sendBytes(Lane.events, Buffer.from('queued'), watcher);
    await listener.close();
    await until(() => story.includes('RSM_CONNECTION_LOST'));
    expect(waiting).toBeGreaterThan(0);
    expect(story[0]).toEqual(['hangup', true, false]);
    expect(story.slice(1, 4)).toEqual([
      ['one', 0, 2],
      ['two', 0, 2],
      ['three', 0, 2],
    ]);
    expect(story.slice(-2)).toEqual(['closed', 'RSM_CONNECTION_LOST']);
    expect(errorOf(() => client.send(Lane.events, 0, 'late'))).toMatchObject({
      code: 'RSM_CONNECTION_LOST',
      message: expect.stringContaining('service "orders"'),
    });
    expect([...connector.connections]).not.toContain(client);
  });

  it("lets its owner take the queue in 'closed'", async () => {
    const { listener, connector, client } = await connectPair();
    collect(listener);
    await warmUp(client);
    fill(client);
    const failed: RsmError[] = [];
    client.sendBytes(Lane.events, Buffer.from('mine'), { failed: (error) => failed.push(error) });
    const taken = new Promise<string[]>((resolve) => {
      connector.on('closed', (connection) => resolve(connection.takeQueued().map(({ bytes }) => bytes.toString('latin1'))));
    });
    await listener.close();
    expect((await taken).at(-1)).toBe('mine');
    await connector.close();
    expect(failed).toEqual([]);
  });

  it('delivers what was committed before a client closed its end', async () => {
    const { listener, connector, client } = await connectPair();
    const received = collect(listener, Outcome.done);
    const closed = new Promise<void>((resolve) => listener.once('closed', () => resolve()));
    await client.write('last words');
    await connector.close();
    await closed;
    expect(received.map(({ bytes }) => bytes.toString())).toEqual(['last words']);
    expect(listener.connections.size).toBe(0);
  });

  describe('while the fragments of a long message leave', () => {
    /** A pair whose receiver takes nothing more: only the first fragments find room. */
    async function busyPair(): Promise<Pair> {
      const pair = await connectPair({ eventCredit: 1 });
      const received = collect(pair.listener);
      await pair.client.write('first');
      await until(() => received.length === 1);
      return pair;
    }

    it('ends a wait in write() when this side closes', async () => {
      const { connector, client } = await busyPair();
      const written = client.write(Buffer.alloc(20_000)).catch((error: unknown) => error);
      await connector.close();
      expect(await written).toMatchObject({ code: 'RSM_CONNECTION_LOST' });
      expect([connector.budget.bytes, connector.budget.messages]).toEqual([0, 0]);
    });

    it('ends a wait in write() when the peer goes', async () => {
      const { listener, connector, client } = await busyPair();
      const written = client.write(Buffer.alloc(20_000)).catch((error: unknown) => error);
      await listener.close();
      expect(await written).toMatchObject({ code: 'RSM_CONNECTION_LOST' });
      await connector.close();
      expect([connector.budget.bytes, connector.budget.messages]).toEqual([0, 0]);
    });

    it('gives the message back with its watcher, which was told nothing, when the peer goes', async () => {
      const { listener, connector, client } = await busyPair();
      const told: unknown[] = [];
      const watcher = { committed: () => told.push('committed'), failed: (error: RsmError) => told.push(error.code) };
      const returned: ReturnedMessage[] = [];
      connector.onReturned = (message) => returned.push(message);
      expect(client.send(Lane.events, 0, Buffer.alloc(20_000), watcher)).toBe(0);
      const closed = new Promise<void>((resolve) => connector.once('closed', () => resolve()));
      await listener.close();
      await closed;
      expect(returned.map(({ bytes, watcher: its }) => [bytes.length, its])).toEqual([
        [5, undefined],
        [20_000, watcher],
      ]);
      expect(told).toEqual([]);
    });
  });

  it('gives a long message back without a watcher that did not ask for releases', async () => {
    const { listener, connector, client } = await connectPair();
    await client.write('forms the segments');
    const returned: ReturnedMessage[] = [];
    connector.onReturned = (message) => returned.push(message);
    collect(listener, Outcome.nack);
    // Its fragments leave at once, so send() tells that it is committed, and the watcher may serve another message.
    const told: string[] = [];
    const sequence = client.send(Lane.events, 0, Buffer.alloc(2_100), { committed: () => told.push('committed') });
    expect(sequence).toBeGreaterThan(0);
    await until(() => returned.length === 2 || returned.some(({ bytes }) => bytes.length === 2_100));
    expect(returned.find(({ bytes }) => bytes.length === 2_100)!.watcher).toBeUndefined();
    expect(told).toEqual([]);
  });
});
