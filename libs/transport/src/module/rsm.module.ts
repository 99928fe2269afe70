import { type DynamicModule, Inject, Module, type Provider } from '@nestjs/common';
import { RsmError } from '@nestjs-rsm/segments';
import { RsmClient } from '../client/index.js';
import type { RsmClientOptions } from '../options/index.js';
import type {
  RsmAsyncSource,
  RsmClientAsyncEntry,
  RsmClientEntry,
  RsmClientOptionsFactory,
  RsmDefaultsFactory,
  RsmModuleAsyncOptions,
  RsmModuleDefaults,
} from './module-options.js';

/** By name and not by identity: an ESM and a CommonJS copy of this package may meet in one application. */
const DEFAULTS = Symbol.for('nestjs-rsm.module-defaults');

/** Injects a client of RsmModule.registerClients (or ClientsModule) by its name. */
export function InjectRsmClient(name: string | symbol): PropertyDecorator & ParameterDecorator {
  return Inject(name);
}

/** Clients as providers, with defaults for all of them. `ClientsModule` with `customClass: RsmClient` does without it. */
@Module({})
export class RsmModule {
  /** Defaults for the clients of the whole application. */
  static forRoot(defaults: RsmModuleDefaults = {}): DynamicModule {
    return globalModule([], [{ provide: DEFAULTS, useValue: defaults }]);
  }

  /** As forRoot, with defaults made when the application starts. Throws RSM_INVALID_OPTIONS where the source of the defaults is missing or ambiguous. */
  static forRootAsync(options: RsmModuleAsyncOptions): DynamicModule {
    const providers = asyncProviders<RsmDefaultsFactory>(
      'RsmModule.forRootAsync',
      options,
      DEFAULTS,
      [],
      (_, made) => made,
      (factory) => factory.createRsmDefaults(),
    );
    return globalModule(options.imports, providers);
  }

  /**
   * One provider for each client, found by its `name` (see InjectRsmClient) and closed when the application shuts down. `isGlobal`: every module finds them. Throws
   * RSM_INVALID_OPTIONS where an entry's source of options is ambiguous; bad options are found when the application starts.
   */
  static registerClients(entries: readonly (RsmClientEntry | RsmClientAsyncEntry)[], { isGlobal = false } = {}): DynamicModule {
    const providers = entries.flatMap((entry) => clientProviders(entry));
    const imports = entries.flatMap((entry) => ('imports' in entry ? (entry.imports ?? []) : []));
    return {
      module: RsmModule,
      global: isGlobal,
      imports: [...new Set(imports)],
      providers,
      exports: entries.map(({ name }) => name),
    };
  }
}

function globalModule(imports: DynamicModule['imports'], providers: Provider[]): DynamicModule {
  return { module: RsmModule, global: true, imports: imports ?? [], providers, exports: [DEFAULTS] };
}

function clientProviders(entry: RsmClientEntry | RsmClientAsyncEntry): Provider[] {
  const { name } = entry;
  const withDefaults = { token: DEFAULTS, optional: true };
  if (!isAsync(entry)) {
    const { name: _name, ...options } = entry;
    return [{ provide: name, useFactory: (defaults?: RsmModuleDefaults) => createClient(defaults, options), inject: [withDefaults] }];
  }
  return asyncProviders<RsmClientOptionsFactory>(
    `RsmModule.registerClients, client '${String(name)}'`,
    entry,
    name,
    [withDefaults],
    ([defaults], options) => createClient(defaults as RsmModuleDefaults | undefined, options),
    (factory) => factory.createRsmClientOptions(),
  );
}

/**
 * The provider of `token`, made from what the source gives and what `before` injects; with `useClass` the provider of that class too.
 */
function asyncProviders<TFactory>(
  owner: string,
  source: RsmAsyncSource<TFactory>,
  token: string | symbol,
  before: NonNullable<RsmAsyncSource<TFactory>['inject']>,
  make: (injected: unknown[], options: RsmModuleDefaults) => unknown,
  ask: (factory: TFactory) => RsmModuleDefaults | Promise<RsmModuleDefaults>,
): Provider[] {
  const { useFactory, useClass, useExisting, inject = [] } = source;
  if ([useFactory, useClass, useExisting].filter((given) => given !== undefined).length !== 1) {
    throw new RsmError('RSM_INVALID_OPTIONS', `${owner}: give exactly one of useFactory, useClass and useExisting.`);
  }
  const factory = async (...dependencies: unknown[]): Promise<unknown> => {
    const injected = dependencies.slice(0, before.length);
    const rest = dependencies.slice(before.length);
    return make(injected, await (useFactory === undefined ? ask(rest[0] as TFactory) : useFactory(...rest)));
  };
  const asked = useClass ?? useExisting;
  const provider: Provider = { provide: token, useFactory: factory, inject: [...before, ...(asked === undefined ? inject : [asked])] };
  return useClass === undefined ? [provider] : [provider, { provide: useClass, useClass: useClass as never }];
}

function isAsync(entry: RsmClientEntry | RsmClientAsyncEntry): entry is RsmClientAsyncEntry {
  return 'useFactory' in entry || 'useClass' in entry || 'useExisting' in entry;
}

function createClient(defaults: RsmModuleDefaults | undefined, options: RsmModuleDefaults): RsmClient {
  const client = new RsmClient({ ...defaults, ...options } as RsmClientOptions);
  // As ClientsModule does: Nest calls it when the application shuts down.
  return Object.assign(client, { onApplicationShutdown: () => client.close() });
}
