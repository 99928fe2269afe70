import { describe, expect, it } from '@jest/globals';
import type { ResultRow } from '../results.js';
import { draw } from './draw.js';
import { type Figure, figuresOf, formatBytes, formatTime } from './figures.js';

function row(subject: string, measurement: string, parameter: string, metric: string, values: number[], suite = 'nest'): ResultRow {
  return { suite, measurement, parameter, subject, metric: { name: metric, unit: '', better: 'lower' }, values, messages: [] };
}

const rows = [
  row('rsm', 'round-trip', '1kB', 'p50', [10, 20, 90]),
  row('rsm', 'round-trip', '64B', 'p50', [7]),
  row('rsm', 'round-trip', '64B', 'p99', [70]),
  row('rsm', 'round-trip', '1MiB', 'p50', [1_000]),
  row('tcp', 'round-trip', '64B', 'p50', [50]),
  row('rsm', 'events', '1kB', 'rate', [2_000]),
  row('256', 'cost-by-connections', 'burst', 'cost', [500], 'scale-connections'),
  row('1', 'cost-by-connections', 'burst', 'cost', [400], 'scale-connections'),
];

function figure(file: string): Figure {
  return figuresOf(rows).find((one) => one.file === file)!;
}

describe('figuresOf', () => {
  it('has a line for each peer, its medians in the order of the payloads, and no Buffers among texts', () => {
    expect(figure('round-trip').series).toEqual([
      {
        name: 'rsm',
        points: [
          [64, 7],
          [1_024, 20],
        ],
      },
      { name: 'tcp', points: [[64, 50]] },
    ]);
  });

  it('turns events/s into MB/s', () => {
    expect(figure('throughput').series).toEqual([{ name: 'rsm', points: [[1_024, 2.048]] }]);
  });

  it('orders connections by their number', () => {
    expect(figure('connections').series[0]!.points).toEqual([
      [1, 400],
      [256, 500],
    ]);
  });

  it('leaves out a figure that nothing was measured for', () => {
    expect(figuresOf(rows.slice(0, 1)).map(({ file }) => file)).toEqual(['round-trip']);
  });
});

describe('draw', () => {
  it('makes an SVG with every peer named, in a colour of its own, for both modes', () => {
    const svg = draw(figure('round-trip'));
    expect(svg).toMatch(/^<svg [^>]*>/);
    expect(svg).toContain('prefers-color-scheme: dark');
    for (const text of ['nestjs-rsm', 'TCP', '64 B', '1 KiB', '#e4572e', '#2e86de']) expect(svg).toContain(text);
  });

  it('draws a single line without a name', () => {
    expect(draw(figure('connections'))).not.toContain('>segments<');
  });
});

describe('labels', () => {
  it('have the unit that fits', () => {
    expect([64, 1_024, 65_536, 1_048_576].map(formatBytes)).toEqual(['64 B', '1 KiB', '64 KiB', '1 MiB']);
    expect([1, 100, 1_000, 10_000_000].map(formatTime)).toEqual(['1 µs', '100 µs', '1 ms', '10 s']);
  });
});
