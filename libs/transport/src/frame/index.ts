export { monotonicMilliseconds } from './clock.js';
export { FrameReader, isHeaderWithin } from './frame-reader.js';
export { FrameWriter } from './frame-writer.js';
export {
  extrasText,
  FrameFlag,
  FrameKind,
  LOAN_ROOM,
  MAX_HEADER_BYTES,
  NO_FRAME_OPTIONS,
  ReplyFlag,
  ROOM_OFFSET,
  ROOM_UNIT,
} from './layout.js';
export type { FrameOptions } from './layout.js';
