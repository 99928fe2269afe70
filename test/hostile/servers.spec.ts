/** Hostile instances of a service, beside a good one: the client ends their connections, says why, goes to the good one, and loses nothing that was not released. */
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type HostileOutcome, HostilePeer, hostileServer } from '../support/hostile-peer.js';
import { eventually, type Service, startService } from '../support/index.js';

/** Bytes. */
const RSS_SLACK = 48 * 1024 * 1024;

interface Stream {
  emitted: number;
  answers: number;
  failures: string[];
  oddities: string[];
}

let good: Service;
let caller: Service;
let before: object;
let resident: number;
let seen = 0;

beforeAll(async () => {
  good = await startService('hostile-target', { execArgv: ['--expose-gc'] });
  caller = await startService('hostile-caller', { execArgv: ['--expose-gc'], options: { connectTimeout: 300 } });
  await against('spoil_welcome', 'HTTP');
  await against('spoil_release', 'never sent');
  await settled();
  before = await caller.call<object>('residue');
  resident = await caller.call<number>('resident');
});

afterEach(async () => {
  await settled();
  await eventually(async () => expect(await caller.call('residue')).toEqual(before));
  await eventually(async () => expect((await caller.call<number>('resident')) - resident).toBeLessThan(RSS_SLACK));
  expect(await caller.call('polluted')).toBeNull();
  expect(caller.alive && good.alive).toBe(true);
  seen = caller.output().length;
});

/** The good instance alone is connected. */
async function settled(): Promise<void> {
  await eventually(async () => expect(await caller.call('connections')).toBe(1));
}

/** Lets one hostile instance join while numbers are emitted and asked for; what it says of its end, and what became of the stream. */
async function against(
  act: string,
  ...args: unknown[]
): Promise<HostileOutcome & { stream: Stream; numbers: { count: number; twice: number } }> {
  await good.call('numbers');
  await caller.call('begin');
  const peer: HostilePeer = hostileServer(caller.directory, act, ...args);
  const outcome = await peer.outcome;
  const stream = await caller.call<Stream>('pause');
  await settled();
  // Committed is not handled yet.
  let numbers = { count: 0, twice: 0 };
  await eventually(async () => {
    const more = await good.call<{ count: number; twice: number }>('numbers');
    numbers = { count: numbers.count + more.count, twice: numbers.twice + more.twice };
    expect(numbers.count).toBeGreaterThanOrEqual(stream.emitted);
  });
  return { ...outcome, stream, numbers };
}

/** Nothing was lost, nothing handled twice, nobody had to hear of it. */
function unharmed({ ended, stream, numbers }: Awaited<ReturnType<typeof against>>): void {
  expect(ended).toBe(true);
  expect(stream.failures).toEqual([]);
  expect(stream.oddities).toEqual([]);
  expect(stream.emitted).toBeGreaterThan(0);
  expect(numbers).toEqual({ count: stream.emitted, twice: 0 });
}

async function logged(reason: string): Promise<void> {
  await eventually(() => expect(caller.output().slice(seen)).toContain(reason));
}

describe('the handshake', () => {
  it.each([
    ['another magic', 'out of turn'],
    ['HTTP', 'does not speak nestjs-rsm'],
    ['an old version', 'speaks protocol version 0'],
    ['a new version', 'speaks protocol version 900'],
    ['another service', 'of service other'],
    ['control characters', 'name of other characters'],
    ['an identity that is too long', 'too long'],
    ['a welcome cut short', 'too short'],
    ['a welcome that goes on', 'too long'],
    ['an oversized frame', 'longer than a control frame may be'],
    ['no segments', 'no segment'],
    ['wild segments', 'partitionSize'],
    ['segments of no size', 'partitionSize'],
    ['too many segments', 'no segment, or too many'],
    ['two welcomes', 'out of turn'],
    ['descriptors before any were asked for', 'lacks the file descriptors'],
    ['descriptors where none are due', 'wrong number of file descriptors'],
    ["a client's frame", 'out of turn'],
    ['a refusal of no known code', 'red?[31m?forged line'],
  ])('is given up: %s', async (how, reason) => {
    unharmed(await against('spoil_welcome', how));
    await logged(reason);
  });

  it.each(['nothing, and hangs up', 'half a welcome, and hangs up'])('may end at any time: %s', async (how) => {
    unharmed(await against('spoil_welcome', how));
  });

  it('is given up where the welcome drips in', async () => {
    const outcome = await against('drip', 60);
    unharmed(outcome);
    expect(outcome['sent']).toBeGreaterThan(2);
  });
});

describe('regions and doorbells', () => {
  it.each([
    ['unsealed target', 'not sealed'],
    ['unsealed release', 'not sealed'],
    ['target that may shrink', 'not sealed'],
    ['target that cannot be written', 'cannot be written'],
    ['target that is a pipe', 'were agreed'],
    ['target too small', 'were agreed'],
    ['release too small', 'were agreed'],
    ['empty target', 'were agreed'],
    ['release size not agreed', 'other segments'],
    ['target beyond maxMemory', 'larger than maxMemory'],
    ['segment beyond its region', 'does not lie in its target region'],
    ['segment over the ring', 'does not lie in its target region'],
    ['directory that wraps around', 'does not lie in its target region'],
    ['more partitions than announced', 'The connection to'],
    ['segment in another region', 'does not lie in its target region'],
    ['bell that is a socket', 'no pipe'],
    ['no descriptors', 'lacks the file descriptors'],
  ])('are refused: %s', async (how, reason) => {
    unharmed(await against('spoil_forming', how));
    await logged(reason);
  });

  it('may never come', async () => {
    unharmed(await against('spoil_forming', 'no answer, and hangs up'));
  });

  it('cannot be truncated by either side', async () => {
    const outcome = await against('truncate');
    unharmed(outcome);
    expect(outcome['failures']).toBe(3);
  });

  it('may be rung without end', async () => {
    unharmed(await against('ring_without_end', 700));
  });
});

describe('releases', () => {
  it.each([
    ['never sent', 'not in flight there'],
    ['sequence 0', 'not in flight there'],
    ['other cell', 'not in flight there'],
    ['wild cell', 'not in flight there'],
    ['returned twice', 'not in flight there'],
    ['returned, then done', 'not in flight there'],
    ['outcome 0', 'unknown outcome'],
    ['outcome 15', 'unknown outcome'],
  ])('end the connection: %s', async (how, reason) => {
    unharmed(await against('spoil_release', how));
    await logged(reason);
  });

  it('that never come keep the messages of an instance that goes, whatever it says has begun', async () => {
    unharmed(await against('never_release', 300));
  });
});

describe('messages', () => {
  it.each([
    ['group', 'names group 9'],
    ['largest group', 'names group 4294967295'],
    ['partition', 'begins in partition'],
    ['no entry', 'directory entry does not say so'],
    ['mark', 'directory entry does not say so'],
    ['lane', 'names lane 3'],
    ['length', 'more than a span of its group holds'],
    ['one byte over the span', 'more than a span of its group holds'],
    ['over the end', "over the segment's end"],
    ['chain to elsewhere', 'not contiguous'],
    ['chain in a circle', 'not contiguous'],
    ['chain too long', 'not contiguous'],
    ['an event', 'a message on lane 1'],
    ['a request', 'a message on lane 2'],
    ['a request among the replies', 'a frame of kind 2'],
    ['a route', 'a frame of kind 4'],
    ['random bytes', 'frame kind 165 does not exist'],
    ['seven bytes', 'too short for a frame'],
    ['unknown flags', 'flags 128'],
  ])('end the connection: %s', async (how, reason) => {
    unharmed(await against('spoil_message', how));
    await logged(reason);
  });
});

describe('replies', () => {
  it.each([
    ['JSON that is none', 'JSON text cannot be parsed'],
    ['an unknown format', 'format 15 does not exist'],
    ['MessagePack that is none', 'MessagePack'],
    ['a list of four thousand million', 'MessagePack'],
    ['a record definition', 'MessagePack'],
    ['attachments beyond the end', 'JSON text of 4294967295 bytes'],
    ['a payload where none is due', 'bytes where none are due'],
    ['an attachment that leads to a prototype', 'leads nowhere'],
  ])('end the connection, and the request goes elsewhere: %s', async (how, reason) => {
    unharmed(await against('spoil_reply', how));
    await logged(reason);
  });

  it.each([
    ['of any depth', 'deep'],
    ['with properties of any name', '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},"toJSON":1}'],
    ['that pretend to be an error', '{"err":"no","isDisposed":true}'],
  ])('%s reach the one who asked and nobody else', async (_, payload) => {
    const { ended, stream, numbers } = await against('answer', payload);
    expect(ended).toBe(true);
    expect(stream.failures).toEqual([]);
    expect(stream.oddities).toHaveLength(1);
    expect(numbers).toEqual({ count: stream.emitted, twice: 0 });
  });

  it('that are rewritten while they are decoded harm at most the request they answer', async () => {
    const { ended, stream, numbers } = await against('rewrite', 1000);
    expect(ended).toBe(true);
    expect(stream.failures).toEqual([]);
    expect(stream.oddities.length).toBeLessThanOrEqual(1);
    expect(numbers).toEqual({ count: stream.emitted, twice: 0 });
  });
});
