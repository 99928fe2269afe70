import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DelaysService } from './delays.service.js';
import type { Flight } from './flight.js';
import { Journal } from './journal.js';

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
    expect(reversed.totals(3).checksum).toBe(delays.totals(3).checksum);
    expect(reversed.top(3, 1)).toEqual(delays.top(3, 1));
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

  it('reports the missing and the doubled, and counts the doubled once', () => {
    delays.add(flight('LAS', 33, 0));
    delays.add(flight('LAS', 33, 0));
    delays.add(flight('ATL', 19, 2));
    expect(delays.totals(4)).toMatchObject({ flights: 2, totalDelay: 52, missing: 2, firstMissing: [1, 3], doubled: 1, firstDoubled: [0] });
    expect(delays.top(1, 1)).toMatchObject([{ origin: 'LAS', flights: 1 }]);
  });

  it('refuses an impossible number and counts nothing of its flight', () => {
    const empty = delays.totals();
    expect(() => delays.add(flight('LAS', 33, -1))).toThrow(RangeError);
    expect(delays.totals()).toEqual(empty);
  });

  it('forgets everything on reset', () => {
    const empty = delays.totals(1);
    delays.add(flight('LAS', 33, 0));
    delays.reset();
    expect(delays.totals(1)).toEqual(empty);
    expect(delays.top(10, 1)).toEqual([]);
  });

  describe('with a journal', () => {
    let folder: string;
    let journal: Journal;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'rsm-delays-'));
      journal = new Journal(join(folder, 'delays.journal'));
      delays = new DelaysService(journal);
    });

    afterEach(() => {
      journal.close();
      rmSync(folder, { recursive: true });
    });

    it('goes on where its predecessor ended, and recognises what that one had counted', () => {
      [flight('LAS', 33, 0), flight('ATL', 19, 1), flight('ATL', 5)].forEach((each) => delays.add(each));
      const successor = new DelaysService(journal);
      expect(successor.totals(3)).toMatchObject({ flights: 3, recovered: 3, totalDelay: 57, missing: 1, doubled: 0 });
      expect(successor.totals().firstHandledAt).toBeUndefined();
      expect(successor.top(3, 1)).toEqual(delays.top(3, 1));
      successor.add(flight('ATL', 19, 1));
      successor.add(flight('SFO', 1, 2));
      expect(successor.totals(3)).toMatchObject({ flights: 4, recovered: 3, missing: 0, doubled: 1, firstDoubled: [1] });
      expect(successor.totals().firstHandledAt).toBeGreaterThan(0);
    });

    it('does not count what could not be written down', () => {
      delays.add(flight('LAS', 33, 0));
      jest.spyOn(journal, 'append').mockImplementation(() => {
        throw new Error('ENOSPC');
      });
      expect(() => delays.add(flight('LAS', 33, 1))).toThrow('ENOSPC');
      expect(delays.totals(2)).toMatchObject({ flights: 1, firstMissing: [1], doubled: 0 });
    });

    it('leaves nothing for a successor on reset', () => {
      delays.add(flight('LAS', 33, 0));
      delays.reset();
      expect(new DelaysService(journal).totals()).toMatchObject({ flights: 0, recovered: 0 });
    });
  });
});
