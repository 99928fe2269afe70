import { describe, expect, it } from '@jest/globals';
import { Results } from '../results.js';
import type { Metric } from '../suite.js';
import { grown, parseCallgrind } from './callgrind.js';
import { compareRows, judgeCost, verdictTable } from './verdict.js';

const p50: Metric = { name: 'p50', unit: 'µs', better: 'lower' };
const rate: Metric = { name: 'rate', unit: '/s', better: 'higher' };

function measured(metric: Metric, base: number[], branch: number[]): Results {
  const results = new Results();
  const key = { suite: 'Nest', measurement: 'events', parameter: '64B' };
  base.forEach((value) => results.add({ ...key, subject: 'base' }, metric, value, 1));
  branch.forEach((value) => results.add({ ...key, subject: 'branch' }, metric, value, 1));
  return results;
}

describe('compareRows', () => {
  const compare = (results: Results) => compareRows(results, 'base', 'branch', 0.1, ['p99'])[0];

  it('turns times and rates alike into what the branch costs', () => {
    expect(compare(measured(p50, [10, 10], [20, 20]))).toMatchObject({ cost: { median: 2 }, verdict: 'slower' });
    expect(compare(measured(rate, [10, 10], [20, 20]))).toMatchObject({ cost: { median: 0.5 }, verdict: 'faster' });
    expect(compare(measured(rate, [20, 20], [10, 10]))).toMatchObject({ cost: { median: 2 }, verdict: 'slower' });
  });

  it('names what it compared, and leaves out what is too noisy', () => {
    expect(compare(measured(p50, [1], [1]))!.what).toBe('Nest: events 64B, p50');
    expect(compare(measured({ ...p50, name: 'p99' }, [1], [9]))).toBeUndefined();
  });

  it('compares nothing that the base does not have', () => {
    expect(compare(measured(p50, [], [1]))).toBeUndefined();
  });
});

describe('judgeCost', () => {
  it('lets pass what is within the threshold', () => {
    expect(judgeCost('x', [1.09, 1.09], 0.1).verdict).toBe('same');
    expect(judgeCost('x', [1.11, 1.11], 0.1).verdict).toBe('slower');
    expect(judgeCost('x', [0.92], 0.1).verdict).toBe('same');
  });

  it('lets pass what three quarters of the rounds do not agree on', () => {
    expect(judgeCost('x', [0.6, 0.7, 1.5, 1.6, 1.7], 0.1).verdict).toBe('same');
    expect(judgeCost('x', [0.6, 1.4, 1.5, 1.6, 1.7], 0.1).verdict).toBe('slower');
  });

  it('stands out in the table', () => {
    const rows = verdictTable([judgeCost('a', [1.2, 1.4, 1.6], 0.1), judgeCost('b', [0.5], 0.1), judgeCost('c', [1], 0.1)]).rows;
    expect(rows).toEqual([
      ['a', '1.40 (1.30–1.50)', 'SLOWER'],
      ['b', '0.5000', 'faster'],
      ['c', '1.0000', ''],
    ]);
  });
});

const CALLGRIND = `# callgrind format
positions: line
events: Ir
fl=(1) a.cc
fn=(1) first()
10 100
+1 20
cfn=(2) second()
calls=3 40
11 900
* 5

fn=(2)
40 800
-2 100
fn=(1)
12 1
totals: 1026
`;

describe('callgrind', () => {
  it('is read: the total, and what each function executed itself', () => {
    const { total, functions } = parseCallgrind(CALLGRIND);
    expect(total).toBe(1_026);
    expect([...functions]).toEqual([
      ['first()', 126],
      ['second()', 900],
    ]);
  });

  it('shows which functions grew, most first', () => {
    const base = new Map([
      ['same', 5],
      ['more', 10],
      ['less', 9],
    ]);
    const branch = new Map([
      ['same', 5],
      ['more', 13],
      ['less', 1],
      ['new', 7],
    ]);
    expect(grown(base, branch, 5)).toEqual([
      ['new', 7],
      ['more', 3],
    ]);
    expect(grown(base, branch, 1)).toEqual([['new', 7]]);
  });
});
