import { describe, expect, it } from '@jest/globals';
import { resolveClientOptions, resolveServerOptions, type RsmClientOptions, type RsmServerOptions } from './index.js';

const service = 'orders';
const invalid = (message: string): unknown =>
  expect.objectContaining({ code: 'RSM_INVALID_OPTIONS', message: expect.stringContaining(message) });

describe('defaults', () => {
  it('of a server', () => {
    expect(resolveServerOptions({ service, directory: '/tmp/x' })).toEqual({
      service,
      directory: '/tmp/x',
      segments: expect.any(Array),
      maxMessageSize: 67_108_864,
      polling: 'adaptive',
      codec: 'json',
      maxQueuedBytes: 67_108_864,
      maxQueuedMessages: 1_000_000,
      ack: 'on-completion',
      concurrency: 64,
      maxRequests: 1_000,
      allow: { uids: [], gids: [] },
      drainTimeout: 10_000,
      zeroCopy: false,
      wildcards: false,
    });
  });

  it('of a client', () => {
    expect(resolveClientOptions({ service, directory: '/tmp/x' })).toEqual({
      service,
      directory: '/tmp/x',
      segments: expect.any(Array),
      maxMessageSize: 67_108_864,
      polling: 'adaptive',
      codec: 'json',
      maxQueuedBytes: 67_108_864,
      maxQueuedMessages: 1_000_000,
      routing: 'balance',
      maxAttempts: 5,
      retryDelay: expect.any(Function),
      maxDeadLetters: 1_000,
      connectTimeout: 5_000,
      retryAttempts: Infinity,
      closeTimeout: 5_000,
    });
  });

  it('take undefined as left out', () => {
    expect(resolveServerOptions({ service, concurrency: undefined, ack: undefined } as never)).toMatchObject({
      concurrency: 64,
      ack: 'on-completion',
    });
  });
});

it('keeps what is given', () => {
  const given = {
    service,
    directory: '/tmp/x',
    segments: [{ partitionSize: 64, partitions: 8, spanFactor: 4 }],
    maxMessageSize: 1,
    polling: { window: 50 },
    codec: 'msgpack',
    maxQueuedBytes: 2,
    maxQueuedMessages: 3,
    serializer: { serialize: (value: unknown) => value },
    deserializer: new (class {
      deserialize(value: never): never {
        return value;
      }
    })(),
    ack: 'manual',
    concurrency: 1,
    maxRequests: 4,
    maxConnections: 5,
    maxMemory: 6,
    allow: { uids: [7], gids: [8] },
    drainTimeout: 0,
    zeroCopy: true,
    wildcards: true,
  } satisfies RsmServerOptions;
  expect(resolveServerOptions(given)).toEqual(given);
});

describe('retryDelay', () => {
  const delays = (retryDelay?: RsmClientOptions['retryDelay']): number[] => {
    const resolved = resolveClientOptions({ service, retryDelay } as RsmClientOptions);
    return [1, 2, 3, 6, 7, 100, 5000].map((attempt) => resolved.retryDelay(attempt));
  };

  it('doubles from 100 ms up to 5 s', () => {
    expect(delays()).toEqual([100, 200, 400, 3200, 5000, 5000, 5000]);
  });

  it('is a number or a function whose bad values count as the default', () => {
    expect(delays(7)).toEqual([7, 7, 7, 7, 7, 7, 7]);
    const values = [1, -1, NaN, 0, Infinity, undefined as never, 2];
    expect(delays(() => values.shift()!)).toEqual([1, 200, 400, 0, 5000, 5000, 2]);
  });

  it('counts as the default where the function throws', () => {
    const broken = (): number => {
      throw new Error('of the user');
    };
    expect(delays(broken)).toEqual(delays());
  });
});

describe('refused for both', () => {
  it.each<[string, object | null | undefined, string]>([
    ['no object', undefined, 'allowed: an object with at least { service }'],
    ['null', null, 'allowed: an object with at least { service }'],
    ['no service', {}, 'Option service is undefined'],
    ['a path as service', { service: '../x' }, "Option service is '../x'"],
    ['a relative directory', { service, directory: 'tmp' }, "Option directory is 'tmp'"],
    ['a long directory', { service, directory: `/${'x'.repeat(100)}` }, 'Option directory'],
    ['segments that are none', { service, segments: [] }, 'Option segments is []'],
    ['a message size of 0', { service, maxMessageSize: 0 }, 'Option maxMessageSize is 0; allowed: a whole number from 1 to 1073741824'],
    ['polling at will', { service, polling: 'busy' }, "Option polling is 'busy'"],
    ['an unknown codec', { service, codec: 'xml' }, "Option codec is 'xml'; allowed: 'json', 'msgpack'"],
    [
      'a serializer without its method',
      { service, serializer: {} },
      'Option serializer is {}; allowed: an object with a method serialize()',
    ],
    ['null for a deserializer', { service, deserializer: null }, 'allowed: an object with a method deserialize()'],
    ['a negative queue', { service, maxQueuedBytes: -1 }, 'Option maxQueuedBytes is -1'],
    ['half a message', { service, maxQueuedMessages: 1.5 }, 'Option maxQueuedMessages is 1.5'],
    ['null for a number', { service, maxQueuedMessages: null }, 'Option maxQueuedMessages is null'],
    ['a misspelt option', { servise: 'x' }, "has no option 'servise'; did you mean 'service'?"],
    ['wrong capitals', { service, maxmessagesize: 1 }, "did you mean 'maxMessageSize'?"],
    ['an option of nobody', { service, completelyDifferent: 1 }, "has no option 'completelyDifferent'; known are service, directory"],
    ['a name from Object.prototype', { service, constructor: 1 }, "has no option 'constructor'"],
  ])('%s', (_, options, message) => {
    expect(() => resolveServerOptions(options as RsmServerOptions)).toThrow(invalid(message));
    expect(() => resolveClientOptions(options as RsmClientOptions)).toThrow(invalid(message));
  });

  it.each(['urls', 'listen', 'tls'])('%s, which is for connections between hosts', (option) => {
    const unavailable = expect.objectContaining({ code: 'RSM_FABRIC_UNAVAILABLE', message: expect.stringContaining(`Option ${option} `) });
    expect(() => resolveServerOptions({ service, [option]: {} })).toThrow(unavailable);
    expect(() => resolveClientOptions({ service, [option]: [] })).toThrow(unavailable);
  });
});

it.each<[object, string]>([
  [{ ack: 'auto' }, "Option ack is 'auto'; allowed: 'on-completion', 'on-receipt', 'manual'"],
  [{ concurrency: 0 }, 'Option concurrency is 0'],
  [{ maxRequests: '5' }, "Option maxRequests is '5'"],
  [{ maxConnections: 0 }, 'Option maxConnections is 0; allowed: a whole number from 1 to 65535'],
  [{ maxMemory: 0 }, 'Option maxMemory is 0'],
  [{ allow: [1] }, 'Option allow is [ 1 ]'],
  [{ allow: { uids: ['root'] } }, "Option allow.uids is [ 'root' ]"],
  [{ allow: { gids: [-1] } }, 'Option allow.gids is [ -1 ]'],
  [{ allow: { users: [1] } }, 'without users'],
  [{ drainTimeout: -1 }, 'Option drainTimeout is -1'],
  [{ wildcards: 'yes' }, "Option wildcards is 'yes'; allowed: true, false"],
  [{ routing: 'balance' }, "RsmServer has no option 'routing'; it is an option of RsmClient"],
])('a server refuses %j', (options, message) => {
  expect(() => resolveServerOptions({ service, ...options })).toThrow(invalid(message));
});

it.each<[object, string]>([
  [{ routing: 'all' }, "Option routing is 'all'; allowed: 'balance', 'broadcast'"],
  [{ maxAttempts: 0 }, 'Option maxAttempts is 0'],
  [{ retryDelay: -1 }, 'Option retryDelay is -1'],
  [{ retryDelay: '1s' }, "Option retryDelay is '1s'"],
  [{ onDeadLetter: 'log' }, "Option onDeadLetter is 'log'; allowed: a function"],
  [{ maxDeadLetters: -1 }, 'Option maxDeadLetters is -1'],
  [{ connectTimeout: 2 ** 31 }, 'Option connectTimeout is 2147483648'],
  [{ retryAttempts: -1 }, 'Option retryAttempts is -1; allowed: a whole number from 0, or Infinity'],
  [{ closeTimeout: NaN }, 'Option closeTimeout is NaN'],
  [{ concurrency: 1 }, "RsmClient has no option 'concurrency'; it is an option of RsmServer"],
])('a client refuses %j', (options, message) => {
  expect(() => resolveClientOptions({ service, ...options })).toThrow(invalid(message));
});
