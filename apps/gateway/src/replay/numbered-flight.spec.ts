import { describe, expect, it } from '@jest/globals';
import { expectAlso, numbered } from './numbered-flight.js';

const NOTHING = { flights: 0, totalDelay: 0, checksum: 0 };

function flights(...delays: number[]) {
  return delays.map((delay) => ({ date: '2001-01-01T00:01:00.000Z', delay, distance: 1, origin: 'LAS', destination: 'PHL' }));
}

describe('numbered', () => {
  it('goes on where the flights before ended', () => {
    expect(numbered(flights(1, 2), 7).map((flight) => flight.sequence)).toEqual([7, 8]);
  });
});

describe('expectAlso', () => {
  it('is the same for one load as for several', () => {
    const all = numbered(flights(5, -3, 20), 0);
    const inTwo = expectAlso(expectAlso(NOTHING, all.slice(0, 2)), all.slice(2));
    expect(inTwo).toEqual(expectAlso(NOTHING, all));
    expect(inTwo).toEqual({ flights: 3, totalDelay: 22, checksum: 1 * 5 + 2 * -3 + 3 * 20 });
  });

  it('stays a 32 bit integer', () => {
    const { checksum } = expectAlso(NOTHING, numbered(flights(1_000, 1_000), 2_999_998));
    expect(checksum).toBe((2_999_999_000 + 3_000_000_000) | 0);
  });
});
