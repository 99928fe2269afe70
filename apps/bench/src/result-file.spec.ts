import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Machine } from './machine.js';
import { formatMarkdown } from './markdown.js';
import { newestResults, readResults, resultsOf, writeResults } from './result-file.js';
import { Results } from './results.js';
import type { Suite } from './suite.js';

const machine: Machine = { cpu: 'Some CPU', cores: 2, memoryGiB: 8, system: 'linux', load: 0, node: 'v20', packages: {} };
const settings = { full: false, rounds: 3, timing: { warmUp: 1, time: 1 } };
const p50 = { name: 'p50', unit: 'µs', better: 'lower' } as const;
const suite: Suite = {
  name: 'nest',
  title: 'Nest transports',
  parameter: 'payload',
  subjects: ['rsm', 'tcp'].map((name) => ({ name, start: () => Promise.reject(new Error(name)) })),
  measurements: [{ name: 'round-trip', parameter: '64B', metrics: [p50] }],
  reference: 'tcp',
};
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rsm-bench-test-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function measured(): Results {
  const results = new Results();
  const key = { suite: 'nest', measurement: 'round-trip', parameter: '64B' };
  results.add({ ...key, subject: 'rsm' }, p50, 5, 10);
  results.add({ ...key, subject: 'tcp' }, p50, 50, 10);
  results.absences.push({ suite: 'nest', subject: 'redis', reason: 'redis-server is not installed', failed: false });
  return results;
}

describe('kept results', () => {
  it('are read as they were measured', () => {
    const results = measured();
    const path = writeResults(folder, new Date(0), machine, settings, results);
    const kept = readResults(path);
    expect(kept).toMatchObject({ machine, settings, startedAt: '1970-01-01T00:00:00.000Z' });
    expect(resultsOf(kept)).toEqual(results);
  });

  it('of the last run are found', () => {
    writeResults(folder, new Date(2_000), machine, settings, measured());
    const newest = writeResults(folder, new Date(3_000), machine, settings, measured());
    writeResults(folder, new Date(1_000), machine, settings, measured());
    expect(newestResults(folder)).toBe(newest);
  });

  it('are asked for where there are none, or of another format', () => {
    expect(() => newestResults(folder)).toThrow('run the benchmark first');
    writeFileSync(join(folder, 'old.json'), '{"format":1}');
    expect(() => readResults(join(folder, 'old.json'))).toThrow('format 1, not 2: measure again');
  });
});

describe('formatMarkdown', () => {
  it('has the tables, the machine and who is missing', () => {
    const text = formatMarkdown(readResults(writeResults(folder, new Date(0), machine, settings, measured())), [suite]);
    expect(text).toContain('Some CPU, 2 cores');
    expect(text).toContain('3 rounds, 1970-01-01');
    expect(text).toContain('|  | payload |  | rsm | tcp | rsm / tcp |\n| --- | --- | --- | ---: | ---: | ---: |');
    expect(text).toContain('| round-trip | 64B | p50 µs | 5.00 (5.00–5.00) | 50.0 (50.0–50.0) | 0.10 (0.10–0.10) |');
    expect(text).toContain('Left out: redis (nest): redis-server is not installed');
  });
});
