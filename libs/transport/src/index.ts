export { RsmClient, RsmLoan } from './client/index.js';
export type { RsmClientCounters, RsmClientEvents } from './client/index.js';
export { createCodec, decode } from './codec/index.js';
export type { Codec, CodecName, Encoded } from './codec/index.js';
export { RSM_TRANSPORT, RsmStatus } from './constants.js';
export { RsmContext } from './context/index.js';
export { RsmError, RsmRetriableException } from './errors.js';
export type { RsmErrorCode, RsmRetriableOptions } from './errors.js';
export { InjectRsmClient, RsmModule } from './module/index.js';
export type {
  RsmAsyncSource,
  RsmClientAsyncEntry,
  RsmClientEntry,
  RsmClientOptionsFactory,
  RsmDefaultsFactory,
  RsmModuleAsyncOptions,
  RsmModuleDefaults,
} from './module/index.js';
export type { RsmAckMode, RsmClientOptions, RsmCommonOptions, RsmDeadLetter, RsmServerOptions } from './options/index.js';
export { isRsmRecord, RsmRecord, RsmRecordBuilder } from './record/index.js';
export type { RsmRecordOptions, RsmRouting } from './record/index.js';
export { RsmServer } from './server/index.js';
export type { RsmServerCounters, RsmServerEvents } from './server/index.js';
