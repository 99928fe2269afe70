export { CODEC_NAMES, createCodec } from './codec.js';
export type { Codec, CodecName, Encoded } from './codec.js';
export { decode } from './decode.js';
export { BinaryType, PayloadFormat } from './format.js';
