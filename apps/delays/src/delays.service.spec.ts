import { beforeEach, describe, expect, it } from '@jest/globals';
import { DelaysService } from './delays.service.js';
import type { Flight } from './flight.js';

function flight(origin: string, delay: number, sequence?: number): Flight {
  return { date: '2001-01-01T00:01:00.000Z', delay, distance: 100, origin, destination: 'PHL', sequence };
}

describe('DelaysService', () => {
  let delays: DelaysService;

  beforeEach(() => {
    delays = new DelaysService();
  });

  it('adds up per airport; early departures shorten the mean, 15 minutes count as delayed', () => {
    delays.add(flight('LAS', 30));
    delays.add(flight('LAS', 15));
    delays.add(flight('LAS', 14));
    delays.add(flight('LAS', -3));
    expect(delays.top(1, 1)).toEqual([{ origin: 'LAS', flights: 4, delayed: 2, totalDelay: 56, meanDelay: 14 }]);
  });

  it('orders by mean delay, then by code, and leaves out airports with too few flights', () => {
    delays.add(flight('AAA', 100));
    for (const origin of ['SFO', 'ATL', 'BOS']) {
      delays.add(flight(origin, origin === 'BOS' ? 40 : 10));
      delays.add(flight(origin, origin === 'BOS' ? 40 : 20));
    }
    expect(delays.top(10, 2).map((airport) => airport.origin)).toEqual(['BOS', 'ATL', 'SFO']);
    expect(delays.top(1, 1).map((airport) => airport.origin)).toEqual(['AAA']);
    expect(delays.top(0, 1)).toEqual([]);
  });

  it('has the same totals in whatever order flights arrive', () => {
    const flights = [flight('LAS', 33, 0), flight('ATL', 19, 1), flight('MCI', -14, 2)];
    flights.forEach((each) => delays.add(each));
    const reversed = new DelaysService();
    [...flights].reverse().forEach((each) => reversed.add(each));
    expect(reversed.totals(3)).toEqual(delays.totals(3));
    expect(delays.totals(3)).toMatchObject({ flights: 3, delayed: 2, totalDelay: 38, missing: 0, doubled: 0 });
  });

  it('has another checksum when two flights have changed places', () => {
    delays.add(flight('LAS', 33, 0));
    delays.add(flight('ATL', 19, 1));
    const swapped = new DelaysService();
    swapped.add(flight('LAS', 33, 1));
    swapped.add(flight('ATL', 19, 0));
    expect(swapped.totals().checksum).not.toBe(delays.totals().checksum);
  });

  it('reports the missing and the doubled', () => {
    delays.add(flight('LAS', 33, 0));
    delays.add(flight('LAS', 33, 0));
    delays.add(flight('ATL', 19, 2));
    expect(delays.totals(4)).toMatchObject({ flights: 3, missing: 2, firstMissing: [1, 3], doubled: 1, firstDoubled: [0] });
  });

  it('forgets everything on reset', () => {
    const empty = delays.totals(1);
    delays.add(flight('LAS', 33, 0));
    delays.reset();
    expect(delays.totals(1)).toEqual(empty);
    expect(delays.top(10, 1)).toEqual([]);
  });
});
