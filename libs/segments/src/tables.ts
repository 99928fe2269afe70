/** A row of the segment table: one segment this endpoint has allocated (target) or formed the image of (source). */
export interface SegmentRow {
  id: number;
  /** Id of the connection it belongs to. */
  connection: number;
  role: 'source' | 'target';
  interconnect: 'mapped';
  /** Bytes. */
  partitionSize: number;
  partitions: number;
  /** Most partitions of one span. */
  spanFactor: number;
  /** Bytes from the start of its region. */
  offset: number;
  /** Bytes. */
  length: number;
}

/** A row of the segment group table: one pair of a source and a target segment, as this side sees it. */
export interface GroupRow {
  id: number;
  /** Id of the connection it belongs to. */
  connection: number;
  /** 'out': this side sends over it. 'in': it receives. */
  direction: 'out' | 'in';
  /** Its place among the groups of its channel, from 0; what Endpoint.directory() takes. */
  number: number;
  /** The row of the segment table. */
  segment: number;
  /** Bytes. */
  partitionSize: number;
  partitions: number;
  spanFactor: number;
  /** Messages it has carried. */
  messages: number;
  /** Bytes it has carried. */
  bytes: number;
  /** Partitions taken now. */
  partitionsTaken: number;
  /** Most partitions that were taken at once. */
  highWater: number;
}

/** One partition's entry in a directory (a snapshot). */
export interface DirectoryRow {
  /** The first partition of a message. */
  first: boolean;
  taken: boolean;
  /** Index of the message's next partition, or -1. */
  next: number;
  /** Bytes of the message (or of this fragment of it), where `first`. */
  length: number;
}
