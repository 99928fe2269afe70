import { Injectable } from '@nestjs/common';
import type { Flight } from './flight.js';
import { SequenceLog } from './sequence-log.js';

/** A departure counts as delayed from 15 minutes on (the rule of the US Department of Transportation). */
export const DELAYED_FROM_MINUTES = 15;

export interface AirportDelays {
  origin: string;
  flights: number;
  delayed: number;
  /** Minutes, over all flights. */
  totalDelay: number;
  /** Minutes. */
  meanDelay: number;
}

export interface Totals {
  flights: number;
  delayed: number;
  totalDelay: number;
  /** Of numbered flights: depends on every sequence and its delay, not on the order of arrival. */
  checksum: number;
  doubled: number;
  firstDoubled: number[];
  /** Of the sequences 0 to expected - 1; 0 when no expectation was given. */
  missing: number;
  firstMissing: number[];
}

/** Adds flights up, per airport of origin and in total. */
@Injectable()
export class DelaysService {
  private airports = new Map<string, AirportDelays>();
  private sequences = new SequenceLog();
  private flights = 0;
  private delayed = 0;
  private totalDelay = 0;
  private checksum = 0;

  add(flight: Flight): void {
    if (flight.sequence !== undefined) {
      this.sequences.mark(flight.sequence);
      this.checksum = (this.checksum + Math.imul(flight.sequence + 1, flight.delay)) | 0;
    }
    const delayed = flight.delay >= DELAYED_FROM_MINUTES ? 1 : 0;
    this.flights++;
    this.delayed += delayed;
    this.totalDelay += flight.delay;

    const airport = this.airportOf(flight.origin);
    airport.flights++;
    airport.delayed += delayed;
    airport.totalDelay += flight.delay;
  }

  /** The airports with the longest mean delay, longest first; only those with enough flights to be compared. */
  top(n: number, minimumFlights: number): AirportDelays[] {
    return [...this.airports.values()]
      .filter((airport) => airport.flights >= minimumFlights)
      .map((airport) => ({ ...airport, meanDelay: airport.totalDelay / airport.flights }))
      .sort((a, b) => b.meanDelay - a.meanDelay || a.origin.localeCompare(b.origin))
      .slice(0, n);
  }

  totals(expected = 0): Totals {
    return {
      flights: this.flights,
      delayed: this.delayed,
      totalDelay: this.totalDelay,
      checksum: this.checksum,
      doubled: this.sequences.doubled,
      firstDoubled: this.sequences.firstDoubled,
      ...this.sequences.gaps(expected),
    };
  }

  reset(): void {
    this.airports = new Map();
    this.sequences = new SequenceLog();
    this.flights = 0;
    this.delayed = 0;
    this.totalDelay = 0;
    this.checksum = 0;
  }

  private airportOf(origin: string): AirportDelays {
    let airport = this.airports.get(origin);
    if (!airport) {
      airport = { origin, flights: 0, delayed: 0, totalDelay: 0, meanDelay: 0 };
      this.airports.set(origin, airport);
    }
    return airport;
  }
}
