import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_SEGMENTS } from './defaults.js';
import { RsmError } from './errors.js';
import {
  checkDirectory,
  checkInteger,
  checkPolling,
  checkSegments,
  checkService,
  pollingWindow,
  resolveConnectorOptions,
  resolveListenerOptions,
} from './options.js';
import type { ConnectorOptions, ListenerOptions } from './types.js';

function refusal(work: () => unknown): RsmError {
  try {
    work();
  } catch (error) {
    if (RsmError.is(error)) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('checkService', () => {
  it.each(['orders', 'a', 'A.b_c-9', '...', '.hidden', 'x'.repeat(64)])('accepts %p', (name) => {
    expect(checkService(name)).toBe(name);
  });

  it.each([undefined, null, 7, '', '.', '..', 'a/b', '../x', 'a b', 'ä', 'a\0', 'a\n', 'x'.repeat(65)])('refuses %p', (name) => {
    expect(refusal(() => checkService(name))).toMatchObject({ code: 'RSM_INVALID_OPTIONS', message: expect.stringContaining('service') });
  });
});

describe('checkInteger', () => {
  it('takes both limits and the fallback', () => {
    expect(checkInteger('n', 1, 1, 9, 5)).toBe(1);
    expect(checkInteger('n', 9, 1, 9, 5)).toBe(9);
    expect(checkInteger('n', undefined, 1, 9, 5)).toBe(5);
  });

  it.each([0, 10, 1.5, NaN, Infinity, '3', null])('refuses %p, naming option, value and what is allowed', (value) => {
    const { code, message } = refusal(() => checkInteger('maxThings', value, 1, 9, 5));
    expect(code).toBe('RSM_INVALID_OPTIONS');
    expect(message).toContain('maxThings');
    expect(message).toContain(String(value));
    expect(message).toContain('from 1 to 9');
  });
});

describe('checkSegments', () => {
  it('gives a private copy of the default', () => {
    const segments = checkSegments(undefined);
    expect(segments).toEqual(DEFAULT_SEGMENTS);
    segments[0]!.partitions = 1;
    expect(DEFAULT_SEGMENTS[0]!.partitions).not.toBe(1);
  });

  it('has defaults that cover 64 B to 1 MiB in at most 8 MiB', () => {
    const bytes = DEFAULT_SEGMENTS.reduce((sum, { partitionSize, partitions }) => sum + partitionSize * partitions, 0);
    expect(bytes).toBeLessThanOrEqual(8 * 1024 * 1024);
    const longest = DEFAULT_SEGMENTS.at(-1)!;
    expect(longest.partitionSize * longest.spanFactor).toBeGreaterThan(1024 * 1024 + 65_536);
  });

  it('sorts by partition size', () => {
    const small = { partitionSize: 64, partitions: 8, spanFactor: 8 };
    const large = { partitionSize: 4096, partitions: 4, spanFactor: 2 };
    expect(checkSegments([large, small])).toEqual([small, large]);
  });

  it.each([
    [[], 'segments'],
    ['x', 'segments'],
    [[null], 'segments[0]'],
    [[{ partitionSize: 64, partitions: 8 }], 'segments[0].spanFactor'],
    [[{ partitionSize: 0, partitions: 8, spanFactor: 1 }], 'segments[0].partitionSize'],
    [[{ partitionSize: 64, partitions: 8, spanFactor: 9 }], 'segments[0].spanFactor'],
    [[{ partitionSize: 64, partitions: 2.5, spanFactor: 1 }], 'segments[0].partitions'],
    [Array(2).fill({ partitionSize: 64, partitions: 8, spanFactor: 8 }), '64 stands twice'],
    [Array.from({ length: 17 }, (_, i) => ({ partitionSize: 64 + i, partitions: 8, spanFactor: 8 })), '1 to 16'],
    [[{ partitionSize: 1024 * 1024, partitions: 1025, spanFactor: 8 }], '1073741824 bytes in all'],
  ])('refuses %j', (value, named) => {
    expect(refusal(() => checkSegments(value)).message).toContain(named);
  });
});

describe('checkDirectory', () => {
  const before = process.env['RSM_DIRECTORY'];
  beforeEach(() => {
    delete process.env['RSM_DIRECTORY'];
  });
  afterEach(() => {
    if (before === undefined) delete process.env['RSM_DIRECTORY'];
    else process.env['RSM_DIRECTORY'] = before;
  });

  it('takes the option, else RSM_DIRECTORY, else /tmp/rsm-<uid>', () => {
    expect(checkDirectory(undefined, 'orders')).toBe(`/tmp/rsm-${process.getuid!()}`);
    process.env['RSM_DIRECTORY'] = '';
    expect(checkDirectory(undefined, 'orders')).toBe(`/tmp/rsm-${process.getuid!()}`);
    process.env['RSM_DIRECTORY'] = '/run/app/';
    expect(checkDirectory(undefined, 'orders')).toBe('/run/app');
    expect(checkDirectory('/srv/rsm', 'orders')).toBe('/srv/rsm');
  });

  it('names the environment variable where that is wrong', () => {
    process.env['RSM_DIRECTORY'] = 'relative/path';
    expect(refusal(() => checkDirectory(undefined, 'orders')).message).toMatch(/RSM_DIRECTORY.*relative\/path.*absolute/);
  });

  it.each(['', 'relative', './x', 7, null, '/a\0b'])('refuses %p', (value) => {
    expect(() => checkDirectory(value ?? 0, 'orders')).toThrow(/directory/);
  });

  it('accepts the longest path that fits a socket address and refuses one byte more', () => {
    const limit = process.platform === 'darwin' ? 103 : 107;
    const rest = '/orders/'.length + 'xxxxxxxxxxxxxxxx.sock.tmp'.length;
    const longest = '/' + 'd'.repeat(limit - rest - 1);
    expect(checkDirectory(longest, 'orders')).toBe(longest);
    expect(refusal(() => checkDirectory(longest + 'd', 'orders')).message).toContain(`it would have ${limit + 1}`);
    // The limit is one of bytes.
    expect(() => checkDirectory(longest.slice(0, -1) + 'é', 'orders')).toThrow(/RSM|directory/);
  });

  it('has room for the longest service name in the default directory', () => {
    expect(() => checkDirectory('/tmp/rsm-1000', 's'.repeat(64))).not.toThrow();
  });
});

describe('checkPolling', () => {
  it('accepts the three forms', () => {
    expect(checkPolling(undefined)).toBe('adaptive');
    expect(pollingWindow(checkPolling('adaptive'))).toBe(-1);
    expect(pollingWindow(checkPolling('blocking'))).toBe(0);
    expect(pollingWindow(checkPolling({ window: 50 }))).toBe(50);
  });

  it.each(['busy', 5, {}, { window: 0 }, { window: '5' }, { window: 1_000_001 }, []])('refuses %p', (value) => {
    expect(() => checkPolling(value)).toThrow(/polling/);
  });
});

describe('options of a listener', () => {
  it('have the documented defaults', () => {
    expect(resolveListenerOptions({ service: 'orders', directory: '/srv' })).toMatchObject({
      maxMessageSize: 64 * 1024 * 1024,
      maxQueuedBytes: 64 * 1024 * 1024,
      maxQueuedMessages: 1_000_000,
      ownFrom: Infinity,
      eventCredit: 0xffff_ffff,
      requestCredit: 0xffff_ffff,
      handshakeTimeout: 5_000,
      allow: { uids: [], gids: [] },
    });
  });

  it.each([
    ['allow', 5],
    ['allow', { uids: 5 }],
    ['allow', { gids: [-1] }],
    ['allow', { uids: ['0'] }],
    ['maxConnections', 0],
    ['maxConnections', 65_536],
    ['maxMessageSize', 0],
    ['maxMemory', -1],
    ['maxQueuedBytes', 0],
    ['ownFrom', 0],
    ['eventCredit', 0],
    ['requestCredit', 2 ** 32],
    ['handshakeTimeout', 2 ** 31],
  ])('refuse %s: %j', (name, value) => {
    const options = { service: 'orders', directory: '/srv', [name]: value } as unknown as ListenerOptions;
    expect(refusal(() => resolveListenerOptions(options)).message).toContain(name);
  });

  it('must be given', () => {
    expect(refusal(() => resolveListenerOptions(undefined as unknown as ListenerOptions)).code).toBe('RSM_INVALID_OPTIONS');
  });
});

describe('options of a connector', () => {
  it('have the documented defaults', () => {
    expect(resolveConnectorOptions({ service: 'orders' })).toMatchObject({ connectTimeout: 5_000, retryAttempts: Infinity });
    expect(resolveConnectorOptions({ service: 'orders', retryAttempts: Infinity }).retryAttempts).toBe(Infinity);
    expect(resolveConnectorOptions({ service: 'orders', retryAttempts: 0 }).retryAttempts).toBe(0);
  });

  it.each([
    ['connectTimeout', -1],
    ['retryAttempts', -1],
    ['scanInterval', 0],
  ])('refuse %s: %j', (name, value) => {
    const options = { service: 'orders', [name]: value } as unknown as ConnectorOptions;
    expect(refusal(() => resolveConnectorOptions(options)).message).toContain(name);
  });
});
