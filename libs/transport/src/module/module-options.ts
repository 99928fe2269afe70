import type { ModuleMetadata, Provider, Type } from '@nestjs/common';
import type { RsmClientOptions } from '../options/index.js';

/** Options that all clients of an application share; each client's own go before them. */
export type RsmModuleDefaults = Partial<RsmClientOptions>;

/** For `useClass` and `useExisting` of RsmModule.forRootAsync. */
export interface RsmDefaultsFactory {
  createRsmDefaults(): RsmModuleDefaults | Promise<RsmModuleDefaults>;
}

/** For `useClass` and `useExisting` of an entry of RsmModule.registerClients. */
export interface RsmClientOptionsFactory {
  createRsmClientOptions(): RsmModuleDefaults | Promise<RsmModuleDefaults>;
}

/** Exactly one of `useFactory`, `useClass` and `useExisting`. */
export interface RsmAsyncSource<TFactory> extends Pick<ModuleMetadata, 'imports'> {
  useFactory?: (...dependencies: any[]) => RsmModuleDefaults | Promise<RsmModuleDefaults>;
  /** Injected into `useFactory`, in this order. */
  inject?: NonNullable<Extract<Provider, { useFactory: unknown }>['inject']>;
  useClass?: Type<TFactory>;
  useExisting?: Type<TFactory> | string | symbol;
}

export type RsmModuleAsyncOptions = RsmAsyncSource<RsmDefaultsFactory>;

/** A client by its options; `service` may come from the defaults. */
export type RsmClientEntry = RsmModuleDefaults & {
  /** What it is injected by. */
  name: string | symbol;
};

/** A client whose options are made when the application starts. */
export type RsmClientAsyncEntry = RsmAsyncSource<RsmClientOptionsFactory> & { name: string | symbol };
