import { describe, expect, it } from '@jest/globals';
import { formatReport } from './report.js';
import { runOf } from './run.fixture.js';

/** The cells of the line that begins with `label`. */
function cells(report: string, label: string): string[] {
  const line = report.split('\n').find((each) => each.trim().startsWith(label));
  return line ? line.trim().slice(label.length).trim().split(/ {2,}/) : [];
}

describe('formatReport', () => {
  const both = formatReport([runOf('rsm'), runOf('tcp', 4)]);

  it('sets both transports beside each other, with the ratio segments ÷ TCP', () => {
    expect(cells(both, 'segments')).toEqual(['Nest TCP', 'ratio']);
    expect(cells(both, 'events sent')).toEqual(['4', '4']);
    expect(cells(both, 'events received')).toEqual(['4', '4']);
    expect(cells(both, 'events per second')).toEqual(['100,000', '25,000', '4.0 ×']);
    expect(cells(both, 'round trip, p50')).toEqual(['10.0 µs', '40.0 µs', '0.25 ×']);
    expect(cells(both, 'round trip, p99')).toEqual(['50.0 µs', '200.0 µs', '0.25 ×']);
    expect(cells(both, 'map as an object, p50')).toEqual(['2.00 ms', '8.00 ms', '0.25 ×']);
  });

  it('keeps the columns whichever transport ran first', () => {
    const reversed = formatReport([runOf('tcp', 4), runOf('rsm')]);
    expect(cells(reversed, 'events per second')).toEqual(['25,000', '100,000', '4.0 ×']);
  });

  it('shows what each segment group carried and how full it got', () => {
    expect(cells(both, '64 B')).toEqual(['4,096', '32', '6', '1', '1,024', '25 %']);
    expect(cells(both, '65,536 B')).toEqual(['16', '16', '0', '0', '0', '0 %']);
  });

  it('names the most delayed airports and the two lines to change', () => {
    expect(cells(both, '1 SAN San Diego')).toEqual(['4', '50 %', '15.0 min']);
    expect(both).toContain("+ { strategy: new RsmServer({ service: 'delays' }) }");
    expect(both).toContain("+ { name: 'DELAYS', customClass: RsmClient, options: { service: 'delays' } }");
  });

  it('leaves ratio and segment groups out of a run over TCP alone', () => {
    const alone = formatReport([runOf('tcp')]);
    expect(cells(alone, 'events per second')).toEqual(['100,000']);
    expect(alone).not.toContain('Segment groups');
    expect(alone.split('\n').every((line) => line === line.trimEnd())).toBe(true);
  });
});
