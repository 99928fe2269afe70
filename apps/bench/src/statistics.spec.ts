import { describe, expect, it } from '@jest/globals';
import { pairedRatios, summarize } from './statistics.js';

describe('summarize', () => {
  it('gives the median and the quartiles, whatever the order', () => {
    expect(summarize([9, 1, 5, 3, 7])).toEqual({ median: 5, low: 3, high: 7 });
  });

  it('is not moved by one outlier', () => {
    expect(summarize([1, 2, 3, 4, 1_000]).median).toBe(3);
  });

  it('takes a single value for all three', () => {
    expect(summarize([4])).toEqual({ median: 4, low: 4, high: 4 });
  });

  it('leaves the values in the order of their rounds', () => {
    const values = [3, 1, 2];
    summarize(values);
    expect(values).toEqual([3, 1, 2]);
  });

  it('refuses to summarize nothing', () => {
    expect(() => summarize([])).toThrow('no values');
  });
});

describe('pairedRatios', () => {
  it('divides within each round', () => {
    expect(pairedRatios([10, 30], [100, 100])).toEqual([0.1, 0.3]);
  });

  it('is not the ratio of the medians: a slow minute slows both of a round', () => {
    const rsm = [1, 8, 9];
    const tcp = [10, 20, 90];
    expect(summarize(pairedRatios(rsm, tcp)).median).toBe(0.1);
    expect(summarize(rsm).median / summarize(tcp).median).toBe(0.4);
  });

  it('leaves out the rounds after one was given up', () => {
    expect(pairedRatios([1, 2], [1])).toEqual([1]);
    expect(pairedRatios([1], [2, 2])).toEqual([0.5]);
  });
});
