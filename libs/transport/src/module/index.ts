export { InjectRsmClient, RsmModule } from './rsm.module.js';
export type {
  RsmAsyncSource,
  RsmClientAsyncEntry,
  RsmClientEntry,
  RsmClientOptionsFactory,
  RsmDefaultsFactory,
  RsmModuleAsyncOptions,
  RsmModuleDefaults,
} from './module-options.js';
