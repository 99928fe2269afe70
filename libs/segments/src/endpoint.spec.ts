import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Connector,
  Lane,
  Listener,
  Outcome,
  type Connection,
  type ConnectorOptions,
  type Endpoint,
  type ListenerOptions,
} from './index.js';

/** What other processes load. */
const BUILT = new URL('../dist/esm/index.js', import.meta.url).href;

let directory: string;
let endpoints: (Listener | Connector)[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rsm-endpoint-'));
});
afterEach(async () => {
  for (const endpoint of endpoints) await endpoint.close();
  endpoints = [];
  rmSync(directory, { recursive: true, force: true });
});

function newListener(options: Partial<ListenerOptions> = {}): Listener {
  const listener = new Listener({ service: 'orders', directory, ...options });
  endpoints.push(listener);
  return listener;
}

function newConnector(options: Partial<ConnectorOptions> = {}): Connector {
  const connector = new Connector({ service: 'orders', directory, ...options });
  endpoints.push(connector);
  return connector;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

function collectText(endpoint: Endpoint): string[] {
  const texts: string[] = [];
  endpoint.onMessages = (batch) => {
    for (let i = 0; i < batch.count; i++) {
      texts.push(batch.copy(i).toString());
      if (batch.lane(i) !== Lane.immediate) endpoint.settle(batch.delivery(i), Outcome.done);
    }
  };
  return texts;
}

function first(endpoint: Endpoint): Connection {
  const [connection] = endpoint.connections;
  return connection!;
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8);
}

function leaveSocket(path: string): void {
  const script = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script, path]);
  expect(existsSync(path)).toBe(true);
}

describe('construction', () => {
  it.each([{ service: '..' }, { directory: 'relative' }, { segments: [] }, { polling: 'never' }])('refuses %j', (options) => {
    expect(() => newListener(options as ListenerOptions)).toThrow(expect.objectContaining({ code: 'RSM_INVALID_OPTIONS' }));
    expect(() => newConnector(options as ConnectorOptions)).toThrow(expect.objectContaining({ code: 'RSM_INVALID_OPTIONS' }));
  });

  it('shows nothing to others', () => {
    newListener();
    newConnector();
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('Listener', () => {
  it('has a private folder and socket, and leaves neither', async () => {
    const listener = newListener();
    await listener.listen();
    await listener.listen();
    expect(listener.path).toBe(join(directory, 'orders', `${listener.instance}.sock`));
    expect([modeOf(join(directory, 'orders')), modeOf(listener.path)]).toEqual(['700', '600']);
    await listener.close();
    await listener.close();
    expect(readdirSync(directory)).toEqual([]);
    await expect(listener.listen()).rejects.toMatchObject({ code: 'RSM_UNREACHABLE' });
  });

  it('lets a group in', async () => {
    const gid = process.getgid!();
    chmodSync(directory, 0o750);
    const listener = newListener({ allow: { gids: [gid] } });
    await listener.listen();
    expect([modeOf(join(directory, 'orders')), modeOf(listener.path)]).toEqual(['2750', '660']);
    expect(statSync(listener.path).gid).toBe(gid);
    const connector = newConnector();
    await connector.ready(20_000);
  });

  it('removes the sockets of dead neighbours, not of living ones', async () => {
    const neighbour = newListener();
    await neighbour.listen();
    leaveSocket(join(neighbour.folder, 'dead.sock'));
    const listener = newListener();
    await listener.listen();
    expect(readdirSync(listener.folder).sort()).toEqual(
      [neighbour.path, listener.path].map((path) => path.slice(listener.folder.length + 1)).sort(),
    );
    await neighbour.close();
    expect(existsSync(listener.path)).toBe(true);
  });

  it('refuses a folder that is open to others', async () => {
    mkdirSync(join(directory, 'orders'));
    chmodSync(join(directory, 'orders'), 0o755);
    await expect(newListener().listen()).rejects.toMatchObject({ code: 'RSM_PERMISSION_DENIED' });
    expect(readdirSync(join(directory, 'orders'))).toEqual([]);
  });

  it('gives messages of ownFrom bytes and more in Buffers of their own, which stay as they are', async () => {
    const listener = newListener({ ownFrom: 5_000 });
    await listener.listen();
    const kept: Buffer[] = [];
    let arrived = 0;
    listener.onMessages = (batch) => {
      for (let i = 0; i < batch.count; i++, arrived++) {
        expect(batch.owned(i)).toBe(batch.length(i) >= 5_000);
        if (batch.owned(i)) kept.push(batch.buffer(i));
        listener.settle(batch.delivery(i), Outcome.done);
      }
    };
    const connector = newConnector();
    await connector.ready(20_000);
    const client = first(connector);
    const lengths = [4_999, 5_000, 100_000, 10, 1_000_000, 5_001];
    for (let round = 0; round < 20; round++) {
      for (const length of lengths) await client.write(Buffer.alloc(length, round));
    }
    await until(() => arrived === 20 * lengths.length);
    expect(kept.map(({ length }) => length)).toEqual(Array(20).fill([5_000, 100_000, 1_000_000, 5_001]).flat());
    kept.forEach((bytes, i) => expect(bytes.every((byte) => byte === Math.floor(i / 4))).toBe(true));
  });

  it('drains: goes from the folder, tells its clients, gives back what had not begun', async () => {
    const listener = newListener({ eventCredit: 1 });
    await listener.listen();
    const started: number[] = [];
    listener.onMessages = (batch) => {
      for (let i = 0; i < batch.count; i++) started.push(batch.delivery(i));
    };
    const connector = newConnector();
    await connector.ready(20_000);
    const returned: [string, number][] = [];
    connector.onReturned = ({ bytes, outcome }) => returned.push([bytes.toString(), outcome]);
    const draining = new Promise<Connection>((resolve) => connector.once('draining', resolve));
    const client = first(connector);
    for (const text of ['begun', 'waits', 'waits too']) await client.write(text);
    await until(() => started.length === 1);
    listener.beginDrain();
    listener.beginDrain();
    expect(await draining).toBe(client);
    expect(client.draining).toBe(true);
    expect(existsSync(listener.path)).toBe(false);
    await until(() => returned.length === 2);
    expect(returned).toEqual([
      ['waits', Outcome.returned],
      ['waits too', Outcome.returned],
    ]);
    listener.settle(started[0]!, Outcome.done);
    await client.flushed();
  });
});

describe('Connector', () => {
  it('finds a listener that comes later', async () => {
    const connector = newConnector({ scanInterval: 5 });
    const ready = Promise.all(Array.from({ length: 10 }, () => connector.ready(20_000)));
    const listener = newListener();
    const texts = collectText(listener);
    await listener.listen();
    await ready;
    expect(connector.connections.size).toBe(1);
    const { peer } = first(connector);
    expect(peer).toMatchObject({ pid: process.pid, uid: process.getuid!(), identity: listener.instance, service: 'orders' });
    await first(connector).write('hello');
    await until(() => texts.length === 1);
    expect(listener.connections.size).toBe(1);
  });

  it('says which folder it searched when nobody is there', async () => {
    const connector = newConnector();
    await expect(connector.ready(20)).rejects.toMatchObject({
      code: 'RSM_UNREACHABLE',
      message: expect.stringContaining(join(directory, 'orders')),
    });
    await expect(connector.ready(-1)).rejects.toMatchObject({ code: 'RSM_INVALID_OPTIONS' });
  });

  it('says at once that the folder is not to be trusted', async () => {
    const folder = join(directory, 'orders');
    mkdirSync(folder);
    leaveSocket(join(folder, 'x.sock'));
    chmodSync(folder, 0o777);
    await expect(newConnector().ready(20_000)).rejects.toMatchObject({
      code: 'RSM_PERMISSION_DENIED',
      message: expect.stringContaining(folder),
    });
  });

  it('connects to every instance, to new ones, and outlives those that go', async () => {
    const connector = newConnector({ scanInterval: 5 });
    const listeners = [newListener(), newListener()];
    for (const listener of listeners) await listener.listen();
    connector.start();
    await until(() => connector.connections.size === 2);
    const third = newListener();
    await third.listen();
    await until(() => connector.connections.size === 3);
    for (const listener of listeners) await listener.close();
    await until(() => connector.connections.size === 1);
    expect(first(connector).peer.identity).toBe(third.instance);
    // The last one goes and takes the folder with it; a successor is found all the same.
    await third.close();
    await until(() => connector.connections.size === 0);
    const successor = newListener();
    await successor.listen();
    await until(() => connector.connections.size === 1);
    expect(first(connector).peer.identity).toBe(successor.instance);
  });

  it('removes sockets that refuse', async () => {
    mkdirSync(join(directory, 'orders'), { mode: 0o700 });
    const dead = join(directory, 'orders', 'dead.sock');
    leaveSocket(dead);
    newConnector().start();
    await until(() => !existsSync(dead));
  });

  it('keeps its process alive from start() to close(), unless unref() was called', () => {
    const script = (body: string): string => `
      import(process.argv[1]).then(({ Connector }) => {
        const connector = new Connector({ service: 'orders', directory: process.argv[2] });
        process.on('exit', () => console.log(connector.connections.size, 'bye'));
        ${body}
      });`;
    const run = (body: string): string => {
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', script(body), BUILT, directory], { encoding: 'utf8' });
      return stdout + stderr;
    };
    const later = `const timer = setTimeout(() => { console.log('still here'); connector.close(); }, 50).unref();`;
    expect(run(`connector.start(); ${later}`)).toBe('still here\n0 bye\n');
    expect(run(`connector.start(); connector.unref(); ${later}`)).toBe('0 bye\n');
    expect(run(later)).toBe('0 bye\n');
  });

  it('can be closed twice and started again', async () => {
    const listener = newListener();
    const texts = collectText(listener);
    await listener.listen();
    const connector = newConnector();
    for (const round of ['one', 'two', 'three']) {
      await connector.ready(20_000);
      connector.header.write(round);
      first(connector).send(Lane.events, round.length);
      await first(connector).flushed();
      await connector.close();
      await connector.close();
      expect(connector.connections.size).toBe(0);
    }
    await until(() => listener.connections.size === 0);
    expect(texts).toEqual(['one', 'two', 'three']);
    const ready = newConnector({ service: 'nobody' });
    const rejection = expect(ready.ready(20_000)).rejects.toMatchObject({ code: 'RSM_UNREACHABLE' });
    await ready.close();
    await rejection;
  });

  it('connects anew after one connection was closed', async () => {
    const listener = newListener();
    await listener.listen();
    const connector = newConnector();
    await connector.ready(20_000);
    const before = first(connector);
    const closed = new Promise((resolve) => connector.once('closed', (_connection, error) => resolve(error)));
    before.close();
    before.close();
    expect(before.open).toBe(false);
    expect(await closed).toBeUndefined();
    await connector.ready(20_000);
    expect(first(connector)).not.toBe(before);
  });
});

describe('several clients', () => {
  it('are told apart, and each gets its own answers', async () => {
    const listener = newListener();
    await listener.listen();
    listener.onMessages = (batch) => {
      for (let i = 0; i < batch.count; i++) {
        batch.connection(i).sendBytes(Lane.immediate, Buffer.from(`to ${batch.copy(i).toString()}`));
        listener.settle(batch.delivery(i), Outcome.done);
      }
    };
    const connectors = Array.from({ length: 5 }, () => newConnector());
    const answers = connectors.map((connector) => collectText(connector));
    await Promise.all(connectors.map((connector) => connector.ready(20_000)));
    for (let round = 0; round < 100; round++) {
      connectors.forEach((connector, i) => first(connector).sendBytes(Lane.requests, Buffer.from(`${i}-${round}`)));
    }
    await until(() => answers.every((texts) => texts.length === 100));
    answers.forEach((texts, i) => expect(texts).toEqual(Array.from({ length: 100 }, (_, round) => `to ${i}-${round}`)));
    expect(new Set([...listener.connections].map(({ peer }) => peer.identity)).size).toBe(5);
  });

  it('are limited to maxConnections', async () => {
    const listener = newListener({ maxConnections: 1 });
    await listener.listen();
    await newConnector().ready(20_000);
    const second = newConnector();
    const refused = new Promise((resolve) => second.once('refused', resolve));
    second.start();
    expect(await refused).toMatchObject({ code: expect.stringMatching(/^RSM_/) });
    expect(second.connections.size).toBe(0);
    expect(listener.connections.size).toBe(1);
  });
});

describe('tables', () => {
  it('list segments, groups and directories while messages are under way', async () => {
    const segments = [
      { partitionSize: 64, partitions: 32, spanFactor: 8 },
      { partitionSize: 1024, partitions: 8, spanFactor: 4 },
    ];
    const listener = newListener({ segments });
    await listener.listen();
    const held: number[] = [];
    listener.onMessages = (batch) => {
      for (let i = 0; i < batch.count; i++) held.push(batch.delivery(i));
    };
    const connector = newConnector();
    await connector.ready(20_000);
    const client = first(connector);
    await client.write(Buffer.alloc(200));
    await until(() => held.length === 1);

    const sources = connector.segmentTable().filter(({ role }) => role === 'source');
    expect(sources.map(({ partitionSize, partitions, spanFactor }) => ({ partitionSize, partitions, spanFactor }))).toEqual(segments);
    expect(listener.segmentTable().filter(({ role }) => role === 'target')).toHaveLength(2);
    const group = connector.segmentGroupTable().find(({ direction, partitionSize }) => direction === 'out' && partitionSize === 64)!;
    expect(group).toMatchObject({ connection: client.id, messages: 1, partitionsTaken: 4, partitions: 32 });
    const rows = connector.directory(client, 'out', group.number);
    expect(rows).toHaveLength(32);
    expect(rows.filter(({ taken }) => taken)).toHaveLength(4);
    expect(rows.filter((row) => row.first)).toHaveLength(1);
    expect(rows.find((row) => row.first)).toMatchObject({ length: 200 });

    listener.settle(held[0]!, Outcome.done);
    await client.flushed();
    expect(connector.directory(client, 'out', group.number).filter(({ taken }) => taken)).toHaveLength(0);
    expect(connector.counters()).toMatchObject({ messagesSent: 1 });
    expect(listener.counters()).toMatchObject({ messagesReceived: 1, connections: 1 });
    await listener.close();
    expect([listener.segmentTable(), listener.segmentGroupTable(), listener.counters()]).toEqual([[], [], {}]);
  });
});

describe('an endpoint that is closed by its own handlers', () => {
  it('inside onMessages, shows nothing more of the batch', async () => {
    const listener = newListener();
    await listener.listen();
    const connector = newConnector();
    await connector.ready(20_000);
    const client = first(connector);
    const seen: string[] = [];
    listener.onMessages = (batch) => {
      for (let i = 0; i < batch.count; i++) {
        seen.push(`${batch.connection(i).peer.service} ${batch.copy(i).toString()}`);
        if (batch.count > 1) void listener.close();
        else listener.settle(batch.delivery(i), Outcome.done);
      }
    };
    await client.write('forms the segments');
    await client.flushed();
    const closed = new Promise<void>((resolve) => listener.once('closed', () => resolve()));
    for (const text of ['a', 'b', 'c']) client.send(Lane.events, 0, text);
    await closed;
    expect(seen).toEqual(['orders forms the segments', 'orders a']);
  });

  it("inside onReturned, emits 'closed' once", async () => {
    const listener = newListener();
    await listener.listen();
    const connector = newConnector();
    await connector.ready(20_000);
    const client = first(connector);
    const held: number[] = [];
    listener.onMessages = (batch) => {
      for (let i = 0; i < batch.count; i++) held.push(batch.delivery(i));
    };
    await Promise.all(['a', 'b'].map((text) => client.write(text)));
    await until(() => held.length === 2);
    const story: string[] = [];
    connector.on('closed', () => story.push('closed'));
    const returned = new Promise<void>((resolve) => {
      connector.onReturned = ({ bytes }) => {
        story.push(bytes.toString());
        void connector.close();
        resolve();
      };
    });
    await listener.close();
    await returned;
    await new Promise((resolve) => setImmediate(resolve));
    expect(story).toEqual(['a', 'closed']);
  });
});
