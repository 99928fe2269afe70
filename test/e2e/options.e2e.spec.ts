import { describe, expect, it } from '@jest/globals';
import { RsmClient, type RsmClientOptions, RsmError, RsmRecordBuilder, RsmServer, type RsmServerOptions } from 'nestjs-rsm';
import { startService } from '../support/index.js';

/** Names the option, shows the value, says what is allowed. */
type Bad = [option: string, value: unknown, shown: string, allowed: string];

const COMMON: Bad[] = [
  ['service', undefined, 'undefined', 'letters'],
  ['service', '', "''", 'letters'],
  ['service', 'a/b', 'a/b', 'letters'],
  ['service', '..', '..', '.'],
  ['service', 'x'.repeat(65), 'xxx', '64'],
  ['directory', 'relative/path', 'relative/path', 'absolute'],
  ['directory', `/${'long/'.repeat(30)}`, 'long/long', '107'],
  ['segments', [], '[]', 'partition'],
  ['segments', [{ partitionSize: 64, partitions: 4, spanFactor: 8 }], '8', 'spanFactor'],
  [
    'segments',
    [
      { partitionSize: 64, partitions: 8, spanFactor: 4 },
      { partitionSize: 64, partitions: 8, spanFactor: 4 },
    ],
    '64',
    'partitionSize',
  ],
  ['maxMessageSize', 0, '0', '1'],
  ['maxMessageSize', '64MB', '64MB', '1'],
  ['polling', 'spin', 'spin', 'adaptive'],
  ['polling', { window: -1 }, '-1', 'window'],
  ['codec', 'xml', 'xml', "'json', 'msgpack'"],
  ['maxQueuedBytes', -5, '-5', '1'],
  ['maxQueuedMessages', 1.5, '1.5', '1'],
  ['serializer', {}, '{}', 'serialize()'],
  ['deserializer', 'json', "'json'", 'deserialize()'],
];

const SERVER: Bad[] = [
  ['ack', 'sometimes', 'sometimes', "'on-completion', 'on-receipt', 'manual'"],
  ['concurrency', 0, '0', '1'],
  ['maxRequests', NaN, 'NaN', '1'],
  ['maxConnections', 100_000, '100000', '65535'],
  ['maxMemory', -1, '-1', '1'],
  ['allow', { uids: ['root'] }, 'root', 'numeric'],
  ['allow', { users: [] }, 'users', 'uids'],
  ['drainTimeout', -1, '-1', '0'],
  ['wildcards', 'yes', 'yes', 'true, false'],
];

const CLIENT: Bad[] = [
  ['routing', 'all', 'all', "'balance', 'broadcast'"],
  ['maxAttempts', 0, '0', '1'],
  ['retryDelay', -1, '-1', 'milliseconds'],
  ['onDeadLetter', 'log', 'log', 'function'],
  ['maxDeadLetters', -1, '-1', '0'],
  ['connectTimeout', Infinity, 'Infinity', '0'],
  ['retryAttempts', -1, '-1', 'Infinity'],
  ['closeTimeout', '5s', '5s', '0'],
];

function refusal(make: () => unknown): RsmError {
  try {
    make();
  } catch (error) {
    if (RsmError.is(error)) {
      return error;
    }
    throw error;
  }
  throw new Error('nothing was refused');
}

function expectRefusal(error: RsmError, [option, , shown, allowed]: Bad): void {
  expect(error.code).toBe('RSM_INVALID_OPTIONS');
  expect(error.message).toContain(option);
  expect(error.message.replaceAll(',', '')).toContain(shown.replaceAll(',', ''));
  expect(error.message.replaceAll(',', '')).toContain(allowed.replaceAll(',', ''));
}

describe('bad options are refused at construction with RSM_INVALID_OPTIONS, naming the option, the value and what is allowed', () => {
  it.each([...COMMON, ...SERVER])('RsmServer %s: %j', (...bad) => {
    const options = { service: 'orders', [bad[0]]: bad[1] } as unknown as RsmServerOptions;
    expectRefusal(
      refusal(() => new RsmServer(options)),
      bad,
    );
  });

  it.each([...COMMON, ...CLIENT])('RsmClient %s: %j', (...bad) => {
    const options = { service: 'orders', [bad[0]]: bad[1] } as unknown as RsmClientOptions;
    expectRefusal(
      refusal(() => new RsmClient(options)),
      bad,
    );
  });

  it('an option that does not exist is refused, with the one that may be meant', () => {
    expect(refusal(() => new RsmServer({ service: 'orders', concurency: 4 } as never)).message).toContain("did you mean 'concurrency'");
    expect(refusal(() => new RsmClient({ service: 'orders', concurrency: 4 } as never)).message).toContain('RsmServer');
  });

  it('no options at all are refused', () => {
    expect(refusal(() => new RsmServer(undefined as never)).message).toContain('service');
    expect(refusal(() => new RsmClient(undefined as never)).message).toContain('service');
  });

  it('a record refuses what it cannot take', () => {
    const record = new RsmRecordBuilder(1);
    expect(refusal(() => record.setTimeout(0)).message).toMatch(/setTimeout.*0.*1 to/);
    expect(refusal(() => record.setKey('')).message).toMatch(/setKey.*""/);
    expect(refusal(() => record.setRouting('all' as never)).message).toMatch(/setRouting.*"all".*'balance' and 'broadcast'/);
    expect(refusal(() => record.setHeaders([] as never)).code).toBe('RSM_INVALID_OPTIONS');
  });

  it('a service with a bad option does not start, and says why', async () => {
    const start = startService('basic', { options: { server: { concurrency: 'many' } } });
    await expect(start).rejects.toThrow(/concurrency.*'many'.*allowed|concurrency.*"many".*allowed/);
  });
});
