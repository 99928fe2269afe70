import { setImmediate } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { type AsyncBuffer, asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { dataFile } from '../data-file.js';
import type { FlightsQuery } from './flights-query.dto.js';
import type { Flight } from './flight.js';

/** What hyparquet makes of a row: the file's integers are 64 bits wide. */
interface Row {
  date: Date;
  delay: bigint;
  distance: bigint;
  origin: string;
  destination: string;
}

function toFlight(row: Row): Flight {
  return {
    date: row.date.toISOString(),
    delay: Number(row.delay),
    distance: Number(row.distance),
    origin: row.origin,
    destination: row.destination,
  };
}

/** The 3,000,000 flights of flights-3m.parquet, read a row group at a time. */
@Injectable()
export class FlightsService {
  /** Flights that match, in the file's order, `query.chunk` at a time. */
  async *query({ origin, first, limit, chunk }: FlightsQuery): AsyncGenerator<Flight[]> {
    const file = await asyncBufferFromFile(dataFile('flights-3m.parquet'));
    let found: Flight[] = [];
    let remaining = limit;
    for await (const rows of this.rowGroups(file, first, origin ? Infinity : first + limit)) {
      for (const row of rows) {
        if (origin && row.origin !== origin) {
          continue;
        }
        found.push(toFlight(row));
        remaining--;
        if (found.length === chunk || remaining === 0) {
          yield found;
          found = [];
          // Other messages get their turn, and a cancelled query stops here.
          await setImmediate();
        }
        if (remaining === 0) {
          return;
        }
      }
    }
    if (found.length > 0) {
      yield found;
    }
  }

  /** The rows from `first` up to but not including `end`. */
  private async *rowGroups(file: AsyncBuffer, first: number, end: number): AsyncGenerator<Row[]> {
    const metadata = await parquetMetadataAsync(file);
    let groupStart = 0;
    for (const { num_rows } of metadata.row_groups) {
      const groupEnd = groupStart + Number(num_rows);
      const rowStart = Math.max(groupStart, first);
      const rowEnd = Math.min(groupEnd, end);
      if (rowStart < rowEnd) {
        yield (await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd })) as unknown as Row[];
      }
      groupStart = groupEnd;
    }
  }
}
