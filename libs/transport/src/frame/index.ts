export { monotonicMilliseconds } from './clock.js';
export { FrameReader } from './frame-reader.js';
export { FrameWriter } from './frame-writer.js';
export { FrameFlag, FrameKind, MAX_HEADER_BYTES, NO_FRAME_OPTIONS, ReplyFlag } from './layout.js';
export type { FrameOptions } from './layout.js';
