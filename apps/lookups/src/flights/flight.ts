/** A row of flights-3m.parquet. */
export interface Flight {
  /** ISO 8601, the scheduled departure. */
  date: string;
  /** Minutes; below zero when it left early. */
  delay: number;
  /** Miles. */
  distance: number;
  /** IATA code. */
  origin: string;
  /** IATA code. */
  destination: string;
}
