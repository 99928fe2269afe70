/** A flight that has departed: the payload of the event `flight.departed`. */
export interface Flight {
  /** ISO 8601, the scheduled departure. */
  date: string;
  /** Minutes; below zero when it left early. */
  delay: number;
  /** Miles. */
  distance: number;
  /** IATA code of the airport it left. */
  origin: string;
  /** IATA code of the airport it flew to. */
  destination: string;
  /** Set by a replay, which numbers its flights from 0: shows which one is missing or came twice. */
  sequence?: number;
}
