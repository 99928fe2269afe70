import type { SegmentGeometry } from './types.js';

/**
 * Segments of one direction where nothing is configured: 7.5 MiB, reserved and touched only on use.
 * For messages of 64 B to 1 MiB each group takes what the one before cannot hold; neighbours overlap, so a full group has a substitute.
 */
export const DEFAULT_SEGMENTS: readonly SegmentGeometry[] = Object.freeze([
  Object.freeze({ partitionSize: 64, partitions: 8192, spanFactor: 16 }),
  Object.freeze({ partitionSize: 512, partitions: 2048, spanFactor: 16 }),
  Object.freeze({ partitionSize: 4096, partitions: 512, spanFactor: 32 }),
  Object.freeze({ partitionSize: 32_768, partitions: 128, spanFactor: 64 }),
]);

/** Bytes. */
export const DEFAULT_MAX_MESSAGE_SIZE = 64 * 1024 * 1024;

/** Bytes that may wait in front of full partitions. */
export const DEFAULT_MAX_QUEUED_BYTES = 64 * 1024 * 1024;
export const DEFAULT_MAX_QUEUED_MESSAGES = 1_000_000;

/** Bytes reserved (not used) over all connections: enough for DEFAULT_MAX_CONNECTIONS with the default segments, both ways of a channel counted. */
export const DEFAULT_MAX_MEMORY = 8 * 1024 * 1024 * 1024;
export const DEFAULT_MAX_CONNECTIONS = 512;

/** Milliseconds. */
export const DEFAULT_HANDSHAKE_TIMEOUT = 5_000;
export const DEFAULT_MAX_HANDSHAKES = 64;
/** Milliseconds. */
export const DEFAULT_CONNECT_TIMEOUT = 5_000;
/** Milliseconds between two looks at a folder that cannot be watched. */
export const DEFAULT_SCAN_INTERVAL = 100;

/** What is there at once of a message whose copy is deferred; the native code has the same number. */
export const PEEK_BYTES = 2048;

/** Credit without a limit. */
export const UNLIMITED_CREDIT = 0xffff_ffff;
