export { ACK_MODES, DEFAULT_CODEC, MOST_HANDLERS, resolveClientOptions, resolveServerOptions } from './resolve.js';
export type {
  ResolvedClientOptions,
  ResolvedServerOptions,
  RsmAckMode,
  RsmClientOptions,
  RsmCommonOptions,
  RsmDeadLetter,
  RsmServerOptions,
} from './types.js';
