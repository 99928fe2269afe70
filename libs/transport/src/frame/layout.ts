/*
 * The header before each payload, little-endian:
 *
 * ```
 *   0        1        2        3        4                 8
 *   +--------+--------+--------+--------+-----------------+-------------------------------------------------------------+
 *   | kind   | format | flags  | room   | uint32 route id | [pattern] [uint32 id] [float64 deadline] [uint32 n, extras] |  event, request
 *   |        |        |        |        | uint32 id       |                                                             |  reply, cancel, route
 *   +--------+--------+--------+--------+-----------------+-------------------------------------------------------------+
 * ```
 *
 * An inline pattern has its length in bytes in place of the route id and its UTF-8 bytes right behind. The id is a request's only. Extras are JSON text:
 * { h: headers, m: metadata }. Where `room` is not 0, the payload of an event or request begins `room` x 8 bytes after the frame's beginning, whatever the header
 * left of them (zero copy: the payload had its place before the header was known); else it follows the header. A route frame carries its pattern as UTF-8 payload; a cancel frame carries nothing.
 */
export const FrameKind = { event: 1, request: 2, cancel: 3, route: 4, reply: 5 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/** Flags of events and requests. */
export const FrameFlag = {
  /** Headers or metadata follow as JSON. */
  extras: 1,
  deadline: 2,
  idempotent: 4,
  /** The payload is a whole packet made by the user's serializer. */
  serialized: 8,
  /** The pattern stands in the frame; else a route id does, announced by a route frame before. */
  inlinePattern: 16,
} as const;

/** Flags of replies. */
export const ReplyFlag = {
  error: 1,
  /** Nothing follows for this request. */
  last: 2,
  /** The payload is a value of the reply; without it the frame only ends the reply. */
  response: 4,
  /** The payload is a whole packet made by the user's serializer. */
  serialized: 8,
} as const;

export const ALL_FRAME_FLAGS = 31;
export const ALL_REPLY_FLAGS = 15;
export const FIXED_BYTES = 8;
/** Bytes in which `room` counts. */
export const ROOM_UNIT = 8;
/** Where `room` stands in a frame. */
export const ROOM_OFFSET = 3;
/** What a loan keeps free for its header, bytes: patterns that have an id, a deadline, and some headers. It keeps the payload aligned to a cache line. */
export const LOAN_ROOM = 256;

/** Headers longer than this (long inline pattern, many headers) are refused by the sender with RSM_MESSAGE_TOO_LARGE. */
export const MAX_HEADER_BYTES = 60 * 1024;

/** What a sender may add to an event or request. Made once and reused where nothing is set. */
export interface FrameOptions {
  /** CLOCK_MONOTONIC milliseconds (see monotonicMilliseconds) after which the request must not start; 0: none. */
  deadline: number;
  idempotent: boolean;
  serialized: boolean;
  /** Headers and metadata, see extrasText(). */
  extras: string | undefined;
}

export const NO_FRAME_OPTIONS: Readonly<FrameOptions> = Object.freeze({
  deadline: 0,
  idempotent: false,
  serialized: false,
  extras: undefined,
});

/** Headers and metadata as they travel; undefined where there are none. Runs the user's code (toJSON), and throws as JSON.stringify does. */
export function extrasText(headers: object | undefined, metadata: object | undefined): string | undefined {
  return headers === undefined && metadata === undefined ? undefined : JSON.stringify({ h: headers, m: metadata });
}
