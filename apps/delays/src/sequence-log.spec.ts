import { describe, expect, it } from '@jest/globals';
import { MAX_SEQUENCES, SequenceLog } from './sequence-log.js';

function logOf(...sequences: number[]): SequenceLog {
  const log = new SequenceLog();
  sequences.forEach((sequence) => log.mark(sequence));
  return log;
}

describe('SequenceLog', () => {
  it('finds nothing missing and nothing doubled when each sequence came once, in any order', () => {
    const log = logOf(3, 0, 2, 1);
    expect(log.gaps(4)).toEqual({ missing: 0, firstMissing: [] });
    expect(log.arrived).toBe(4);
    expect(log.doubled).toBe(0);
  });

  it('names what is missing, the last one and whole bytes included', () => {
    const log = logOf(0, 1, 3, 30);
    const gaps = log.gaps(32);
    expect(gaps.missing).toBe(28);
    expect(gaps.firstMissing).toHaveLength(20);
    expect(gaps.firstMissing.slice(0, 3)).toEqual([2, 4, 5]);
    expect(log.gaps(4)).toEqual({ missing: 1, firstMissing: [2] });
    expect(logOf(0, 1, 2).gaps(4).firstMissing).toEqual([3]);
  });

  it('counts every repeat and does not count it as an arrival', () => {
    const log = logOf(0, 1, 1, 1, 2, 0);
    expect(log.doubled).toBe(3);
    expect(log.firstDoubled).toEqual([1, 1, 0]);
    expect(log.arrived).toBe(3);
  });

  it('a doubled sequence does not hide a missing one', () => {
    const log = logOf(0, 1, 1, 3);
    expect(log.gaps(4)).toEqual({ missing: 1, firstMissing: [2] });
    expect(log.doubled).toBe(1);
  });

  it('grows beyond its first size and keeps what it had', () => {
    const log = logOf(5, 524_287, 524_288, 3_000_000);
    log.mark(5);
    log.mark(3_000_000);
    expect(log.firstDoubled).toEqual([5, 3_000_000]);
    expect(log.gaps(3_000_001).missing).toBe(3_000_001 - 4);
  });

  it.each([-1, 1.5, Number.NaN, MAX_SEQUENCES])('refuses %p', (sequence) => {
    expect(() => new SequenceLog().mark(sequence)).toThrow(RangeError);
    expect(() => new SequenceLog().has(sequence)).toThrow(RangeError);
  });
});
