export { CODEC_NAMES, createCodec } from './codec.js';
export type { Codec, CodecName, Encoded } from './codec.js';
export { decode, decodeInPlace, isBinaryFormat } from './decode.js';
export { BinaryType, PayloadFormat } from './format.js';
