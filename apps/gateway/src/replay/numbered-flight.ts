import type { Flight } from '../flights/flight.dto.js';

/** A flight of a replay. */
export interface NumberedFlight extends Flight {
  /** From 0: shows the consumer which flight is missing or came twice. */
  sequence: number;
}

/** What the consumer must have when nothing is missing, doubled or changed. */
export interface Expectation {
  flights: number;
  /** Minutes. */
  totalDelay: number;
  /** Depends on every sequence and its delay, not on their order. */
  checksum: number;
}

/** Numbers flights from `first`. */
export function numbered(flights: Flight[], first: number): NumberedFlight[] {
  return flights.map((flight, index) => ({ sequence: first + index, ...flight }));
}

/** Adds flights to what is expected. */
export function expectAlso(expectation: Expectation, flights: NumberedFlight[]): Expectation {
  let { totalDelay, checksum } = expectation;
  for (const { sequence, delay } of flights) {
    totalDelay += delay;
    checksum = (checksum + Math.imul(sequence + 1, delay)) | 0;
  }
  return { flights: expectation.flights + flights.length, totalDelay, checksum };
}
