import { describe, expect, it } from '@jest/globals';
import { parseOptions } from './options.js';

function parse(...args: string[]) {
  return parseOptions(['node', 'main.js', ...args]);
}

describe('parseOptions', () => {
  it('runs over both transports, segments last, with the first flights', () => {
    expect(parse()).toEqual({ flights: 231_083, transports: ['tcp', 'rsm'], stay: false, port: 0 });
  });

  it('takes every flight, or as many as asked for, over the transport asked for', () => {
    expect(parse('--all').flights).toBe(3_000_000);
    expect(parse('--flights', '1000', '--transport', 'tcp', '--stay', '--port', '3000')).toEqual({
      flights: 1_000,
      transports: ['tcp'],
      stay: true,
      port: 3_000,
    });
  });
});
