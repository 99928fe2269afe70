import { describe, expect, it } from '@jest/globals';
import { AirportsService } from './airports.service.js';

describe('AirportsService', () => {
  const airports = new AirportsService();

  it('finds an airport by its code, coordinates as numbers', () => {
    expect(airports.find('SFO')).toEqual({
      iata: 'SFO',
      name: 'San Francisco International',
      city: 'San Francisco',
      state: 'CA',
      country: 'USA',
      latitude: 37.61900194,
      longitude: -122.3748433,
    });
  });

  it('finds nothing for an unknown code', () => {
    expect(airports.find('???')).toBeUndefined();
  });
});
