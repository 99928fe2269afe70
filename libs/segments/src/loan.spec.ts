import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Connection, Connector, Lane, Listener, type Loan, Outcome, type ReturnedMessage, type SegmentGeometry } from './index.js';

const SEGMENTS: SegmentGeometry[] = [
  { partitionSize: 64, partitions: 64, spanFactor: 16 },
  { partitionSize: 4096, partitions: 16, spanFactor: 16 },
];
const MOST = 65_536;

interface Received {
  delivery: number;
  bytes: Buffer;
}

let directory: string;
let listener: Listener;
let connector: Connector;
let client: Connection;
let received: Received[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'rsm-loan-'));
  listener = new Listener({ service: 'loans', directory, segments: SEGMENTS });
  connector = new Connector({ service: 'loans', directory, segments: SEGMENTS });
  received = [];
  listener.onMessages = (batch) => {
    for (let i = 0; i < batch.count; i++) received.push({ delivery: batch.delivery(i), bytes: batch.copy(i) });
  };
  await listener.listen();
  await connector.ready(20_000);
  [client] = connector.connections as unknown as [Connection];
});
afterEach(async () => {
  await connector.close();
  await listener.close();
  rmSync(directory, { recursive: true, force: true });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

function fill(loan: Loan, seed: number, length = loan.buffer.length): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 17 + seed * 101) & 255;
  loan.buffer.set(bytes);
  return bytes;
}

function settle(): void {
  received.forEach(({ delivery }) => listener.settle(delivery, Outcome.done));
}

function taken(): number {
  return connector
    .segmentGroupTable()
    .filter(({ direction }) => direction === 'out')
    .reduce((sum, group) => sum + group.partitionsTaken, 0);
}

describe('a loan', () => {
  it('lies in partitions, is sent as it was filled, and is detached with every view on it', async () => {
    const loan = await client.loan(10_000);
    expect(loan).toMatchObject({ open: true, inPlace: true });
    expect(loan.buffer).toHaveLength(10_000);
    expect(taken()).toBe(3);
    const part = loan.buffer.subarray(100, 200);
    const sent = fill(loan, 1);
    expect(loan.send(Lane.events)).toBeGreaterThan(0);
    expect([loan.open, loan.buffer.length, loan.buffer.buffer.byteLength, part.length]).toEqual([false, 0, 0, 0]);
    await until(() => received.length === 1);
    expect(received[0]!.bytes.equals(sent)).toBe(true);
    settle();
    await client.flushed();
    expect(taken()).toBe(0);
  });

  it('takes its place in the order when it is sent, not when it is lent', async () => {
    const loans = [await client.loan(300), await client.loan(300)];
    loans.forEach((loan, i) => fill(loan, i));
    client.sendBytes(Lane.events, Buffer.from('first'));
    loans[1]!.send(Lane.events);
    client.sendBytes(Lane.events, Buffer.from('third'));
    loans[0]!.send(Lane.events);
    await until(() => received.length === 4);
    expect(received.map(({ bytes }) => bytes.length)).toEqual([5, 300, 5, 300]);
    expect(received[1]!.bytes[0]).toBe(101);
  });

  it('sent shorter frees what it does not reach; given back it frees everything, and is never delivered', async () => {
    const short = await client.loan(60_000);
    const sent = fill(short, 3, 5_000);
    short.send(Lane.events, 5_000);
    expect(taken()).toBe(2);
    const other = await client.loan(1_000);
    expect(taken()).toBeGreaterThan(2);
    other.giveBack();
    other.giveBack();
    expect(other.buffer).toHaveLength(0);
    expect(taken()).toBe(2);
    await until(() => received.length === 1);
    expect(received[0]!.bytes.equals(sent)).toBe(true);
    expect(() => other.send(Lane.events)).toThrow(expect.objectContaining({ code: 'RSM_INVALID_OPTIONS' }));
  });

  it('refuses sizes and lengths that cannot be', async () => {
    await expect(client.loan(0)).rejects.toMatchObject({ code: 'RSM_INVALID_OPTIONS' });
    await expect(client.loan(1.5)).rejects.toMatchObject({ code: 'RSM_INVALID_OPTIONS' });
    await expect(client.loan(2 ** 30)).rejects.toMatchObject({ code: 'RSM_MESSAGE_TOO_LARGE' });
    const loan = await client.loan(10);
    for (const length of [-1, 11, 0.5, NaN]) {
      expect(() => loan.send(Lane.events, length)).toThrow(expect.objectContaining({ code: 'RSM_INVALID_OPTIONS' }));
    }
    expect(loan.send(Lane.events, 0)).toBeGreaterThan(0);
    await until(() => received.length === 1);
    expect(received[0]!.bytes).toHaveLength(0);
  });

  it('longer than the largest span is private memory, copied when sent, and detached all the same', async () => {
    const loan = await client.loan(MOST + 1);
    expect(loan.inPlace).toBe(false);
    const sent = fill(loan, 5);
    loan.send(Lane.events);
    expect(loan.buffer).toHaveLength(0);
    await until(() => received.length === 1);
    expect(received[0]!.bytes.equals(sent)).toBe(true);
  });

  it('waits for releases in its turn: behind what waits already, before what is sent later', async () => {
    await client.write(Buffer.alloc(MOST)); // all large partitions
    await until(() => received.length === 1);
    client.sendBytes(Lane.events, Buffer.alloc(MOST - 1, 1)); // waits
    const order: string[] = [];
    const waiting = client.loan(MOST - 2).then((loan) => {
      order.push(`loan of ${loan.buffer.length}`);
      fill(loan, 2);
      loan.send(Lane.events);
    });
    client.sendBytes(Lane.events, Buffer.from('small'), { committed: () => void order.push('small') });
    expect(client.queuedMessages).toBe(2);
    settle();
    await until(() => received.length === 2);
    expect(order).toEqual([]);
    listener.settle(received[1]!.delivery, Outcome.done);
    await waiting;
    await until(() => received.length === 4);
    expect(order.sort()).toEqual([`loan of ${MOST - 2}`, 'small']);
    expect(received.map(({ bytes }) => bytes.length).sort((a, b) => b - a)).toEqual([MOST, MOST - 1, MOST - 2, 5]);
  });

  it('is private memory rather than a wait where only other loans are in the way', async () => {
    const first = await client.loan(MOST);
    const second = await client.loan(MOST);
    expect([first.inPlace, second.inPlace]).toEqual([true, false]);
    fill(second, 1);
    const sent = client.send(Lane.events, 0, Buffer.alloc(MOST)); // waits for the loan
    expect(sent).toBe(0);
    first.giveBack();
    await until(() => received.length === 1);
    second.send(Lane.events);
    await until(() => client.queuedMessages === 1);
    settle();
    await until(() => received.length === 2);
    expect(received[1]!.bytes[1]).toBe((31 + 101) & 255);
  });

  it('is copied where messages wait in front of it', async () => {
    const loan = await client.loan(100);
    const bytes = fill(loan, 8);
    await client.write(Buffer.alloc(MOST));
    client.sendBytes(Lane.events, Buffer.alloc(MOST));
    expect(loan.send(Lane.events)).toBe(0);
    expect(loan.buffer).toHaveLength(0);
    expect(client.queuedMessages).toBe(2);
    await until(() => received.length === 1);
    settle();
    await until(() => received.length === 3);
    expect(received[2]!.bytes.equals(bytes)).toBe(true);
  });

  it('outlives its connection: its bytes are still there to be sent over another', async () => {
    const loan = await client.loan(20_000);
    const bytes = fill(loan, 6);
    const [server] = listener.connections;
    server!.close();
    await until(() => !client.open && !connector.connections.has(client));
    expect(() => loan.send(Lane.events)).toThrow(expect.objectContaining({ code: 'RSM_CONNECTION_LOST' }));
    expect(loan.open).toBe(true);
    await until(() => connector.connections.size === 1);
    const [next] = connector.connections;
    await next!.write(loan.buffer);
    loan.giveBack();
    expect(loan.buffer).toHaveLength(0);
    await until(() => received.length === 1);
    expect(received[0]!.bytes.equals(bytes)).toBe(true);
  });

  it('that waits when its connection ends is refused; one that is out when its connector closes stays readable', async () => {
    const held = await client.loan(500);
    const bytes = fill(held, 4);
    await client.write(Buffer.alloc(MOST));
    const waiting = client.loan(MOST);
    const refused = expect(waiting).rejects.toMatchObject({ code: 'RSM_CONNECTION_LOST' });
    await connector.close();
    await refused;
    expect(held.buffer.equals(bytes)).toBe(true);
    expect(() => held.send(Lane.events)).toThrow(expect.objectContaining({ code: 'RSM_CONNECTION_LOST' }));
    held.giveBack();
    expect(held.buffer).toHaveLength(0);
    await expect(client.loan(1)).rejects.toMatchObject({ code: 'RSM_CONNECTION_LOST' });
  });

  it('that is forgotten is given back when it is collected, and told', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const lost: Connection[] = [];
    connector.on('loanLost', (connection) => lost.push(connection));
    await (async () => {
      (await client.loan(30_000)).buffer.fill(1);
    })();
    expect(taken()).toBe(8);
    await until(() => {
      collect();
      return lost.length > 0;
    });
    expect(lost).toEqual([client]);
    expect(taken()).toBe(0);
    const loan = await client.loan(30_000);
    loan.giveBack();
    await until(() => {
      collect();
      return taken() === 0;
    });
    expect(lost).toHaveLength(1);
  });

  it('comes back whole when it is nacked', async () => {
    const returned: ReturnedMessage[] = [];
    connector.onReturned = (message) => returned.push(message);
    const loan = await client.loan(9_000);
    const bytes = fill(loan, 2);
    const outcomes: Outcome[] = [];
    loan.send(Lane.events, 8_999, { watchRelease: true, released: (outcome) => void outcomes.push(outcome) });
    await until(() => received.length === 1);
    listener.settle(received[0]!.delivery, Outcome.nack);
    await until(() => returned.length === 1);
    expect(returned[0]!.bytes.equals(bytes.subarray(0, 8_999))).toBe(true);
    expect(outcomes).toEqual([Outcome.nack]);
  });
});

describe('a view', () => {
  let views: (Buffer | undefined)[];
  let loads: string[];

  beforeEach(() => {
    views = [];
    loads = [];
    listener.deferCopies(4_096);
    listener.onMessages = (batch) => {
      for (let i = 0; i < batch.count; i++) {
        loads.push(batch.loaded(i) ? 'loaded' : 'deferred');
        views.push(batch.view(i, 8, batch.length(i) - 1));
        received.push({ delivery: batch.delivery(i), bytes: batch.copy(i) });
      }
    };
  });

  it('shows the message in place until it is released; whoever kept it finds nothing', async () => {
    const sent = [Buffer.alloc(4_095, 1), Buffer.alloc(50_000, 2), Buffer.alloc(MOST + 1, 3)];
    for (const bytes of sent.slice(0, 2)) await client.write(bytes);
    await until(() => received.length === 2);
    const view = views[1];
    expect(view!.equals(sent[1]!.subarray(8, -1))).toBe(true);
    listener.finish(received[1]!.delivery);
    expect(view).toHaveLength(50_000 - 9);
    listener.settle(received[1]!.delivery, Outcome.done);
    expect([view!.length, view!.buffer.byteLength]).toEqual([0, 0]);
    listener.settle(received[0]!.delivery, Outcome.done);
    await client.write(sent[2]!); // in fragments: it needs all large partitions
    await until(() => received.length === 3);
    expect(loads).toEqual(['loaded', 'deferred', 'loaded']);
    expect(received.map(({ bytes }, i) => bytes.equals(sent[i]!))).toEqual([true, true, true]);
    expect([views[0], views[2]]).toEqual([undefined, undefined]);
  });

  it('is memory that its holder may write, which is what comes back', async () => {
    const returned: ReturnedMessage[] = [];
    connector.onReturned = (message) => returned.push(message);
    await client.write(Buffer.alloc(5_000, 7));
    await until(() => received.length === 1);
    views[0]!.write('changed');
    listener.settle(received[0]!.delivery, Outcome.nack);
    await until(() => returned.length === 1);
    expect(returned[0]!.bytes.subarray(0, 20).toString('latin1')).toBe(`${'\x07'.repeat(8)}changed${'\x07'.repeat(5)}`);
  });

  it('stays readable when its connection ends, and after its listener was closed', async () => {
    const bytes = Buffer.alloc(10_000, 9);
    await client.write(bytes);
    await until(() => received.length === 1);
    const [server] = listener.connections;
    server!.close();
    await until(() => !listener.connections.has(server!));
    expect(views[0]!.equals(bytes.subarray(8, -1))).toBe(true);
    listener.settle(received[0]!.delivery, Outcome.done);
    expect(views[0]).toHaveLength(0);
    await until(() => connector.connections.size === 1 && !connector.connections.has(client));
    const [next] = connector.connections;
    await next!.write(bytes);
    await until(() => received.length === 2);
    await listener.close();
    expect(views[1]!.equals(bytes.subarray(8, -1))).toBe(true);
  });

  it('is not asked for where nobody wants deferred copies', async () => {
    expect(() => listener.deferCopies(100)).toThrow(expect.objectContaining({ code: 'RSM_INVALID_OPTIONS' }));
    listener.deferCopies(Infinity);
    await client.write(Buffer.alloc(10_000));
    await until(() => received.length === 1);
    expect([loads, views]).toEqual([['loaded'], [undefined]]);
  });
});
