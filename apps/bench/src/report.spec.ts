import { describe, expect, it } from '@jest/globals';
import type { Machine } from './machine.js';
import { formatNumber, formatReport } from './report.js';
import { Results } from './results.js';
import type { Metric, Subject, Suite } from './suite.js';

const machine: Machine = {
  cpu: 'Some CPU',
  cores: 2,
  memoryGiB: 8,
  system: 'linux 6 x64',
  load: 0,
  node: 'v20.0.0',
  packages: { 'nestjs-rsm': '1.2.3', '@nestjs/core': '12.5.1' },
};
const p50: Metric = { name: 'p50', unit: 'µs', better: 'lower' };
const subject = (name: string): Subject => ({ name, start: () => Promise.reject(new Error('not to be started')) });
const roundTrip = { measurement: 'round-trip', parameter: '64B', metric: 'p50' };
const suite: Suite = {
  name: 'nest',
  title: 'Nest transports',
  parameter: 'payload',
  subjects: [subject('rsm'), subject('tcp')],
  measurements: [{ name: 'round-trip', parameter: '64B', metrics: [p50] }],
  reference: 'tcp',
  note: 'So it was measured.',
  goals: [
    { title: 'a third', of: { ...roundTrip, subject: 'rsm' }, to: [{ ...roundTrip, subject: 'tcp' }], bound: 'at most', value: 0.3 },
    { title: 'short', of: { ...roundTrip, subject: 'rsm' }, bound: 'at most', value: 8 },
  ],
};

/** The line of the report that begins with this, its columns parted by |. */
function lineOf(results: Results, start: string): string | undefined {
  return formatReport(results, machine, [suite])
    .split('\n')
    .find((line) => line.startsWith(start))
    ?.replaceAll(/ {2,}/g, ' | ');
}

function measured(rsm: number[], tcp: number[]): Results {
  const results = new Results();
  const key = { suite: 'nest', measurement: 'round-trip', parameter: '64B' };
  for (const value of rsm) results.add({ ...key, subject: 'rsm' }, p50, value, 100);
  for (const value of tcp) results.add({ ...key, subject: 'tcp' }, p50, value, 100);
  return results;
}

describe('formatReport', () => {
  it('shows machine, Node and packages', () => {
    const report = formatReport(new Results(), machine, [suite]);
    expect(report).toContain('Some CPU, 2 cores, 8 GiB, linux 6 x64');
    expect(report).toContain('Node v20.0.0, nestjs-rsm 1.2.3, @nestjs/core 12.5.1');
    expect(report).not.toContain('other processes');
    expect(formatReport(new Results(), { ...machine, load: 1.5 }, [suite])).toContain('other processes were running');
  });

  it('shows medians with quartiles, and the ratios of the rounds', () => {
    expect(lineOf(measured([1, 20, 9], [10, 100, 90]), 'round-trip')).toBe(
      'round-trip | 64B | p50 µs | 9.00 (5.00–14.5) | 90.0 (50.0–95.0) | 0.10 (0.10–0.15)',
    );
  });

  it('says whether the goals are met, of ratios and of plain values', () => {
    const results = measured([9], [100]);
    expect(lineOf(results, 'a third')).toBe('a third | ≤ 0.3 | 0.0900 (0.0900–0.0900) | met');
    expect(lineOf(results, 'short')).toBe('short | ≤ 8 µs | 9.00 (9.00–9.00) | missed');
  });

  it('compares nothing where there is nothing to compare with', () => {
    const results = measured([5], []);
    expect(formatReport(results, machine, [suite])).not.toContain('rsm / tcp');
    expect(lineOf(results, 'round-trip')).toBe('round-trip | 64B | p50 µs | 5.00 (5.00–5.00)');
    expect(lineOf(results, 'a third')).toBeUndefined();
  });

  it('shows no ratio to nothing', () => {
    expect(lineOf(measured([1], [0]), 'round-trip')).toBe('round-trip | 64B | p50 µs | 1.00 (1.00–1.00) | 0.00 (0.00–0.00)');
  });

  it('shows the notes of the suites that were measured, and no others', () => {
    expect(formatReport(measured([1], [1]), machine, [suite])).toContain('So it was measured.');
    expect(formatReport(new Results(), machine, [suite])).not.toContain('So it was measured.');
  });

  it('says who is missing, and whether that is a failure', () => {
    const results = measured([1], [1]);
    results.absences.push({ suite: 'nest', subject: 'redis', reason: 'redis-server is not installed', failed: false });
    results.absences.push({ suite: 'nest', subject: 'nats', reason: 'a message was lost', failed: true });
    expect(lineOf(results, 'Left out')).toBe('Left out: redis (nest): redis-server is not installed');
    expect(lineOf(results, 'FAILED')).toBe('FAILED: nats (nest): a message was lost');
  });
});

describe('a table of many subjects', () => {
  it('has the ratio in each cell, and the spread in percent', () => {
    const results = measured([1, 2, 3], [10, 10, 10]);
    const key = { suite: 'nest', measurement: 'round-trip', parameter: '64B' };
    const wide = { ...suite, subjects: [...suite.subjects, subject('nats'), subject('redis')], goals: [] };
    for (const name of ['nats', 'redis']) results.add({ ...key, subject: name }, p50, 40, 1);
    const lines = formatReport(results, machine, [wide]).split('\n');
    const cells = (start: string): string[] =>
      lines
        .find((line) => line.includes(start))!
        .trim()
        .split(/ {2,}/);
    expect(cells('payload')).toEqual(['payload', 'rsm (/tcp)', 'tcp', 'nats (/tcp)', 'redis (/tcp)']);
    expect(cells('round-trip')).toEqual([
      'round-trip',
      '64B',
      'p50 µs',
      '2.00 ±25% (0.20)',
      '10.0 ±0%',
      '40.0 ±0% (4.00)',
      '40.0 ±0% (4.00)',
    ]);
  });
});

describe('formatNumber', () => {
  it('keeps three digits', () => {
    expect([0.0079, 0.126, 1.5, 56.78, 123_456.7].map(formatNumber)).toEqual(['0.0079', '0.13', '1.50', '56.8', '123,457']);
  });
});
