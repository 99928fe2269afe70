import { describe, expect, it } from '@jest/globals';
import type { Machine } from './machine.js';
import { formatNumber, formatReport } from './report.js';
import { Results } from './results.js';
import type { Metric } from './workloads/workload.js';

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
const rate: Metric = { name: 'rate', unit: '/s', better: 'higher' };
const cpu: Metric = { name: 'cpu', unit: '%', better: 'lower' };

/** The line of the report that begins with this. */
function lineOf(results: Results, start: string): string {
  return formatReport(results, machine, 3)
    .split('\n')
    .find((line) => line.startsWith(start))!;
}

function measured(workload: string, metric: Metric, rsm: number[], tcp: number[]): Results {
  const results = new Results();
  const key = { layer: 'nest', workload, payload: '64B', metric } as const;
  for (const value of rsm) results.add({ ...key, peer: 'rsm' }, value, 100);
  for (const value of tcp) results.add({ ...key, peer: 'tcp' }, value, 100);
  return results;
}

describe('formatReport', () => {
  it('shows machine, Node and packages', () => {
    const report = formatReport(new Results(), machine, 3);
    expect(report).toContain('Some CPU, 2 cores, 8 GiB, linux 6 x64');
    expect(report).toContain('Node v20.0.0, nestjs-rsm 1.2.3, @nestjs/core 12.5.1');
    expect(report).not.toContain('other processes');
    expect(formatReport(new Results(), { ...machine, load: 1.5 }, 3)).toContain('other processes were running');
  });

  it('shows medians with quartiles, and the ratios of the rounds beside the goal', () => {
    const line = lineOf(measured('round-trip', p50, [1, 20, 9], [10, 100, 90]), 'round-trip');
    expect(line.replaceAll(/ {2,}/g, ' | ')).toBe(
      'round-trip | 64B | p50 µs | 9.00 (5.00–14.5) | 90.0 (50.0–95.0) | 0.10 (0.10–0.15) | ≤ 0.3 met',
    );
  });

  it('says when a goal is missed, of either kind', () => {
    expect(lineOf(measured('round-trip', p50, [31], [100]), 'round-trip')).toContain('≤ 0.3 missed');
    expect(lineOf(measured('events', rate, [199], [100]), 'events, batches of 256')).toContain('≥ 2 missed');
    expect(lineOf(measured('events', rate, [200], [100]), 'events, batches of 256')).toContain('≥ 2 met');
  });

  it('compares nothing where there is nothing to compare with', () => {
    const results = measured('round-trip', p50, [5], []);
    expect(formatReport(results, machine, 1)).not.toContain('rsm / tcp');
    expect(lineOf(results, 'round-trip').trimEnd()).toMatch(/5\.00 \(5\.00–5\.00\)$/);
  });

  it('shows no ratio of idle CPU, where both may be nothing', () => {
    const results = new Results();
    results.add({ layer: 'nest', workload: 'idle', peer: 'rsm', metric: cpu }, 0.01, 0);
    results.add({ layer: 'nest', workload: 'idle', peer: 'tcp', metric: cpu }, 0.02, 0);
    expect(lineOf(results, 'idle').replaceAll(/ {2,}/g, ' | ')).toBe('idle | cpu % | 0.01 (0.01–0.01) | 0.02 (0.02–0.02)');
  });

  it('has a table of its own for what runs without Nest', () => {
    const results = measured('round-trip', p50, [1], [2]);
    results.add({ layer: 'raw', workload: 'round-trip', payload: '64B', peer: 'segments', metric: p50 }, 3, 10);
    const [, nest, raw] = formatReport(results, machine, 1).split('\n\n');
    expect(nest).toContain('rsm / tcp');
    expect(nest).not.toContain('segments');
    expect(raw).toMatch(/^Without Nest\n.*segments\n/);
    expect(raw).toContain('3.00 (3.00–3.00)');
  });
});

describe('formatNumber', () => {
  it('keeps three digits', () => {
    expect([0.126, 1.5, 56.78, 123_456.7].map(formatNumber)).toEqual(['0.13', '1.50', '56.8', '123,457']);
  });
});
