import { describe, expect, it } from '@jest/globals';
import type { Flight } from './flight.js';
import type { FlightsQuery } from './flights-query.dto.js';
import { FlightsService } from './flights.service.js';

async function chunksOf(query: FlightsQuery): Promise<Flight[][]> {
  const chunks: Flight[][] = [];
  for await (const chunk of new FlightsService().query(query)) {
    chunks.push(chunk);
  }
  return chunks;
}

describe('FlightsService', () => {
  it('reads flights in the order of the file, integers as numbers', async () => {
    const chunks = await chunksOf({ first: 0, limit: 5, chunk: 2 });
    expect(chunks.map((chunk) => chunk.length)).toEqual([2, 2, 1]);
    expect(chunks[0][0]).toEqual({ date: '2001-01-01T00:01:00.000Z', delay: 33, distance: 2176, origin: 'LAS', destination: 'PHL' });
  });

  it('begins at the row asked for and crosses from one row group to the next', async () => {
    const whole = (await chunksOf({ first: 272_720, limit: 14, chunk: 100 })).flat();
    const after = (await chunksOf({ first: 272_727, limit: 7, chunk: 100 })).flat();
    expect(whole).toHaveLength(14);
    expect(whole.slice(7)).toEqual(after);
  });

  it('answers the flights of one origin only', async () => {
    const flights = (await chunksOf({ origin: 'SFO', first: 0, limit: 25, chunk: 10 })).flat();
    expect(flights).toHaveLength(25);
    expect(new Set(flights.map((flight) => flight.origin))).toEqual(new Set(['SFO']));
  });

  it('ends with the file', async () => {
    expect((await chunksOf({ first: 2_999_998, limit: 10, chunk: 10 })).flat()).toHaveLength(2);
    expect(await chunksOf({ first: 3_000_000, limit: 10, chunk: 10 })).toEqual([]);
  });
});
