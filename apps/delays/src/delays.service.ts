import { Inject, Injectable, Optional } from '@nestjs/common';
import type { Flight } from './flight.js';
import { type CountedFlight, Journal } from './journal.js';
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
  /** Each numbered flight once, however often it came. */
  flights: number;
  /** Of them, those this process has read from the journal of its predecessor. */
  recovered: number;
  /** When this process had handled its first event: milliseconds since 1970. */
  firstHandledAt?: number;
  delayed: number;
  totalDelay: number;
  /** Of numbered flights: depends on every sequence and its delay, not on the order of arrival. */
  checksum: number;
  /** How often a flight came that had been counted, by this process or its predecessor. */
  doubled: number;
  firstDoubled: number[];
  /** Of the sequences 0 to expected - 1; 0 when no expectation was given. */
  missing: number;
  firstMissing: number[];
}

/**
 * Adds flights up, per airport of origin and in total. A numbered flight counts once: an event that was being handled when its consumer died comes
 * again, and nothing but its number tells that it had been counted already.
 */
@Injectable()
export class DelaysService {
  private airports = new Map<string, AirportDelays>();
  private sequences = new SequenceLog();
  private flights = 0;
  private delayed = 0;
  private totalDelay = 0;
  private checksum = 0;
  private recovered: number;
  private firstHandledAt?: number;

  /** Goes on where the journal ends. Without one, what was counted goes with the process. */
  constructor(@Optional() @Inject(Journal) private readonly journal?: Journal) {
    const counted = journal?.read() ?? [];
    counted.forEach((flight) => this.count(flight));
    this.recovered = this.flights;
  }

  add(flight: Flight): void {
    const { sequence } = flight;
    if (sequence !== undefined && this.sequences.has(sequence)) {
      this.sequences.mark(sequence); // as doubled
    } else {
      // Before it is counted, and before the event is finished: what is not in the journal when this process dies comes again.
      this.journal?.append(flight);
      this.count(flight);
    }
    this.firstHandledAt ??= Date.now();
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
      recovered: this.recovered,
      firstHandledAt: this.firstHandledAt,
      delayed: this.delayed,
      totalDelay: this.totalDelay,
      checksum: this.checksum,
      doubled: this.sequences.doubled,
      firstDoubled: this.sequences.firstDoubled,
      ...this.sequences.gaps(expected),
    };
  }

  reset(): void {
    this.journal?.clear();
    this.airports = new Map();
    this.sequences = new SequenceLog();
    this.flights = 0;
    this.recovered = 0;
    this.firstHandledAt = undefined;
    this.delayed = 0;
    this.totalDelay = 0;
    this.checksum = 0;
  }

  private count({ sequence, origin, delay }: CountedFlight): void {
    if (sequence !== undefined) {
      this.sequences.mark(sequence);
      this.checksum = (this.checksum + Math.imul(sequence + 1, delay)) | 0;
    }
    const delayed = delay >= DELAYED_FROM_MINUTES ? 1 : 0;
    this.flights++;
    this.delayed += delayed;
    this.totalDelay += delay;

    const airport = this.airportOf(origin);
    airport.flights++;
    airport.delayed += delayed;
    airport.totalDelay += delay;
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
