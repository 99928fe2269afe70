import { describe, expect, it } from '@jest/globals';
import { formatReport } from './report.js';
import { killRunOf, runOf } from './run.fixture.js';

/** The cells of the line that begins with `label`. */
function cells(report: string, label: string): string[] {
  const line = report.split('\n').find((each) => each.trim().startsWith(label));
  return line ? line.trim().slice(label.length).trim().split(/ {2,}/) : [];
}

describe('formatReport', () => {
  const both = formatReport([runOf('rsm'), runOf('tcp', 4)], [killRunOf('rsm'), killRunOf('tcp')]);

  it('sets both transports beside each other, with the ratio segments ÷ TCP', () => {
    expect(cells(both, 'segments')).toEqual(['Nest TCP', 'ratio']);
    expect(cells(both, 'events sent')).toEqual(['4', '4']);
    expect(cells(both, 'events received')).toEqual(['4', '4']);
    expect(cells(both, 'events per second')).toEqual(['100,000', '25,000', '4.0 ×']);
    expect(cells(both, 'round trip, p50')).toEqual(['10.0 µs', '40.0 µs', '0.25 ×']);
    expect(cells(both, 'round trip, p99')).toEqual(['50.0 µs', '200.0 µs', '0.25 ×']);
    expect(cells(both, 'map as an object, p50')).toEqual(['2.00 ms', '8.00 ms', '0.25 ×']);
  });

  it('shows small ratios with the digits that tell them apart', () => {
    const report = formatReport([runOf('rsm'), runOf('tcp', 250)], [killRunOf('rsm'), killRunOf('tcp')]);
    expect(cells(report, 'round trip, p50')).toEqual(['10.0 µs', '2.50 ms', '0.004 ×']);
  });

  it('keeps the columns whichever transport ran first', () => {
    const reversed = formatReport([runOf('tcp', 4), runOf('rsm')], [killRunOf('tcp'), killRunOf('rsm')]);
    expect(cells(reversed, 'events per second')).toEqual(['25,000', '100,000', '4.0 ×']);
  });

  it('shows what became of the events whose consumer was killed', () => {
    const lossy = killRunOf('tcp');
    Object.assign(lossy.replay, { repeated: 256 });
    Object.assign(lossy.replay.received, { flights: 2, missing: 2, doubled: 0, firstHandledAt: undefined });
    const report = formatReport([runOf('rsm'), runOf('tcp')], [killRunOf('rsm'), lossy]);
    expect(cells(report, 'handled at least once')).toEqual(['4', '2']);
    expect(cells(report, 'of them before the kill')).toEqual(['2', '2']);
    expect(cells(report, 'of them by the successor')).toEqual(['2', '0']);
    expect(cells(report, 'lost')).toEqual(['0', '2']);
    expect(cells(report, 'handled twice')).toEqual(['1', '0']);
    expect(cells(report, 'emits that failed, and were repeated')).toEqual(['0', '256']);
    expect(cells(report, 'kill until the successor takes messages')).toEqual(['600 ms', '600 ms']);
    expect(cells(report, 'kill until it handled its first event')).toEqual(['640 ms', 'none came']);
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
    const alone = formatReport([runOf('tcp')], [killRunOf('tcp')]);
    expect(cells(alone, 'events per second')).toEqual(['100,000']);
    expect(alone).not.toContain('Segment groups');
    expect(alone.split('\n').every((line) => line === line.trimEnd())).toBe(true);
  });
});
