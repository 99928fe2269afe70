import type { Polling, SegmentGeometry } from '@nestjs-rsm/segments';

export const service = 'bench-scale';
/** First byte of the last message of a burst. */
export const BURST_END = 1;
/** First byte of a message that the server keeps in its partition. */
export const TO_BE_HELD = 2;
/** Messages of one burst, and their bytes. */
export const BURST = 16;
export const MESSAGE = 64;

/** What grows while one connection is active. */
export interface Shape {
  readonly connections: number;
  /** undefined: the defaults. */
  readonly segments?: SegmentGeometry[];
  readonly polling?: Polling;
  /** Messages that are never released. */
  readonly held: number;
}
