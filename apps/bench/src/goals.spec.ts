import { describe, expect, it } from '@jest/globals';
import { type Goal, judge } from './goals.js';
import { Results } from './results.js';

const row = { measurement: 'events', parameter: '64B', metric: 'rate' };
const goal: Goal = {
  title: 'as fast as its halves',
  of: { ...row, subject: 'whole' },
  to: [
    { ...row, subject: 'one' },
    { ...row, subject: 'other' },
  ],
  bound: 'at least',
  value: 0.8,
};

function measured(values: Record<string, number[]>, better: 'higher' | 'lower' = 'higher'): Results {
  const results = new Results();
  for (const [subject, list] of Object.entries(values)) {
    for (const value of list) {
      results.add({ suite: 's', measurement: 'events', parameter: '64B', subject }, { name: 'rate', unit: '/s', better }, value, 1);
    }
  }
  return results;
}

describe('judge', () => {
  it('compares with the slower one of each round', () => {
    const results = measured({ whole: [50, 25], one: [100, 500], other: [1_000, 100] });
    expect(judge(goal, results, 's')).toMatchObject({ measured: { median: 0.375 }, met: false });
  });

  it('takes the higher one for the worse where lower is better', () => {
    const results = measured({ whole: [90], one: [100], other: [1_000] }, 'lower');
    expect(judge(goal, results, 's')).toMatchObject({ measured: { median: 0.09 }, met: false });
  });

  it('leaves out rounds that one of them does not have', () => {
    expect(judge(goal, measured({ whole: [80, 1], one: [100], other: [100, 100] }), 's')!.measured.median).toBe(0.8);
  });

  it('meets a bound exactly', () => {
    expect(judge({ ...goal, value: 1 }, measured({ whole: [5], one: [5], other: [9] }), 's')!.met).toBe(true);
    expect(judge({ ...goal, value: 1, bound: 'at most' }, measured({ whole: [5], one: [5], other: [9] }), 's')!.met).toBe(true);
  });

  it('judges a plain value, with its unit', () => {
    const plain: Goal = { title: 'fast', of: goal.of, bound: 'at least', value: 10 };
    expect(judge(plain, measured({ whole: [9] }), 's')).toMatchObject({ measured: { median: 9 }, unit: '/s', met: false });
  });

  it('does not judge what was not measured, or in another suite', () => {
    expect(judge(goal, measured({ whole: [1], one: [1] }), 's')).toBeUndefined();
    expect(judge(goal, measured({ whole: [1], one: [1], other: [1] }), 'another')).toBeUndefined();
  });
});
