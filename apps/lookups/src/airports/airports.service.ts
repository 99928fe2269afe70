import { readFileSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import { parse } from 'csv-parse/sync';
import { dataFile } from '../data-file.js';
import type { Airport } from './airport.js';

/** The airports of airports.csv. */
@Injectable()
export class AirportsService {
  private readonly airports = new Map<string, Airport>();

  constructor() {
    const rows = parse<Record<string, string>>(readFileSync(dataFile('airports.csv'), 'utf8'), { columns: true });
    for (const { iata, name, city, state, country, latitude, longitude } of rows) {
      this.airports.set(iata, { iata, name, city, state, country, latitude: Number(latitude), longitude: Number(longitude) });
    }
  }

  /** Looks an airport up by its IATA code. */
  find(code: string): Airport | undefined {
    return this.airports.get(code);
  }
}
