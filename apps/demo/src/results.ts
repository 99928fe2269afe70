/** `rsm`: over segments; `tcp`: over Nest's TCP transport. */
export type TransportName = 'rsm' | 'tcp';

/** What the gateway answers to POST /replay. */
export interface Replay {
  sent: { flights: number; totalDelay: number; checksum: number };
  /** Emits that failed at the sender, which repeated them. */
  repeated: number;
  received: {
    /** Each once, however often it came. */
    flights: number;
    /** Of them, those the consumer has read from its predecessor's journal. */
    recovered: number;
    /** When the consumer had handled its first event: milliseconds since 1970. */
    firstHandledAt?: number;
    totalDelay: number;
    checksum: number;
    missing: number;
    firstMissing: number[];
    doubled: number;
    firstDoubled: number[];
  };
  milliseconds: number;
  eventsPerSecond: number;
}

/** What the gateway answers to GET /replay. */
export interface ReplayProgress {
  phase: 'idle' | 'loading' | 'sending' | 'counting';
  sent: number;
  count: number;
}

/** Microseconds. */
export interface Durations {
  count: number;
  p50: number;
  p90: number;
  p99: number;
}

export interface MapFetch {
  bytes: number;
  object: Durations;
  buffer: Durations;
}

export interface Query {
  flights: number;
  milliseconds: number;
}

export interface AirportDelays {
  origin: string;
  name: string;
  city: string;
  flights: number;
  delayed: number;
  totalDelay: number;
  /** Minutes. */
  meanDelay: number;
}

/** A row of a segment group table. */
export interface SegmentGroup {
  direction: 'in' | 'out';
  partitionSize: number;
  partitions: number;
  spanFactor: number;
  messages: number;
  bytes: number;
  /** The most partitions that were taken at once. */
  highWater: number;
}

/** What must be the same over every transport. */
export interface Answers {
  top: AirportDelays[];
  /** SHA-256 of the map as GET /map answers it. */
  map: string;
  /** SHA-256 of the streamed query. */
  query: string;
}

/** One run over one transport. */
export interface Run {
  transport: TransportName;
  replay: Replay;
  roundTrips: Durations;
  map: MapFetch;
  query: Query;
  answers: Answers;
  /** Airports with fewer flights are left out of the answer. */
  minimumFlights: number;
  /** Of the client that sent the events; none over TCP. */
  groups: SegmentGroup[];
}

/** One stream over one transport whose consumer was killed in its middle. */
export interface KillRun {
  transport: TransportName;
  replay: Replay;
  /** All in milliseconds since 1970. */
  killedAt: number;
  /** The successor said that it takes messages. */
  successorReadyAt: number;
}
