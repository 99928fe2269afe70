import 'reflect-metadata';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type DynamicModule, Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Client,
  type ClientOptions,
  type ClientProxy,
  ClientProxyFactory,
  type ClientsModuleOptionsFactory,
  ClientsModule,
  type CustomClientOptions,
} from '@nestjs/microservices';
import { InjectRsmClient, RsmClient, type RsmClientOptionsFactory, type RsmDefaultsFactory, RsmModule, RsmStatus } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { closeAfterwards, eventually, newServiceDirectory, observe, type Service, startService } from '../support/index.js';

let service: Service;
/** The services' folder, where options made by classes find it. */
let directory: string;

beforeEach(async () => {
  service = await startService('basic');
  ({ directory } = service);
});

function newClient(): RsmClient {
  return closeAfterwards(new RsmClient({ service: 'basic', directory }));
}

const echo = (client: ClientProxy, data: unknown): Promise<unknown> => lastValueFrom(client.send('echo', data));

/** Runs an application with `imports`, and returns the client it injects by the name ORDERS. */
async function injected(...imports: (DynamicModule | (new () => object))[]): Promise<{ client: RsmClient; close: () => Promise<void> }> {
  @Module({ imports })
  class AppModule {
    constructor(@Inject('ORDERS') readonly client: RsmClient) {}
  }
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] });
  closeAfterwards(app);
  return { client: app.get(AppModule).client, close: () => app.close() };
}

@Injectable()
class OptionsFactory implements ClientsModuleOptionsFactory, RsmClientOptionsFactory, RsmDefaultsFactory {
  createClientOptions(): CustomClientOptions {
    return { customClass: RsmClient, options: { service: 'basic', directory } };
  }

  createRsmClientOptions() {
    return { service: 'basic', directory };
  }

  async createRsmDefaults() {
    return { directory, codec: 'msgpack' as const };
  }
}

@Module({ providers: [OptionsFactory, { provide: 'CONFIG', useFactory: () => ({ directory }) }], exports: [OptionsFactory, 'CONFIG'] })
class ConfigModule {}

describe('a client of ClientsModule', () => {
  it('by register', async () => {
    const options = { service: 'basic', directory };
    const { client } = await injected(ClientsModule.register([{ name: 'ORDERS', customClass: RsmClient, options }]));
    expect(client).toBeInstanceOf(RsmClient);
    expect(await echo(client, 'register')).toBe('register');
  });

  it('by registerAsync with useFactory', async () => {
    const useFactory = async (config: { directory: string }): Promise<CustomClientOptions> => ({
      customClass: RsmClient,
      options: { service: 'basic', directory: config.directory },
    });
    const { client } = await injected(
      ClientsModule.registerAsync([{ name: 'ORDERS', imports: [ConfigModule], inject: ['CONFIG'], useFactory }]),
    );
    expect(await echo(client, 'useFactory')).toBe('useFactory');
  });

  it('by registerAsync with useClass', async () => {
    const { client } = await injected(ClientsModule.registerAsync([{ name: 'ORDERS', useClass: OptionsFactory }]));
    expect(await echo(client, 'useClass')).toBe('useClass');
  });

  it('by registerAsync with useExisting', async () => {
    const { client } = await injected(
      ClientsModule.registerAsync([{ name: 'ORDERS', imports: [ConfigModule], useExisting: OptionsFactory }]),
    );
    expect(await echo(client, 'useExisting')).toBe('useExisting');
  });

  it('is closed with its application', async () => {
    const options = { service: 'basic', directory };
    const { client, close } = await injected(ClientsModule.register([{ name: 'ORDERS', customClass: RsmClient, options }]));
    await echo(client, 0);
    expect((await service.call('connections')).now).toBe(1);
    await close();
    await eventually(async () => expect((await service.call('connections')).now).toBe(0));
  });
});

describe('a client of RsmModule', () => {
  it('by registerClients, with defaults of forRoot', async () => {
    const { client } = await injected(RsmModule.forRoot({ directory }), RsmModule.registerClients([{ name: 'ORDERS', service: 'basic' }]));
    expect(await echo(client, 'forRoot')).toBe('forRoot');
  });

  it.each([
    ['useFactory', { imports: [ConfigModule], inject: ['CONFIG'], useFactory: (config: { directory: string }) => config }],
    ['useClass', { useClass: OptionsFactory }],
    ['useExisting', { imports: [ConfigModule], useExisting: OptionsFactory }],
  ])('with defaults of forRootAsync by %s', async (name, options) => {
    const { client } = await injected(RsmModule.forRootAsync(options), RsmModule.registerClients([{ name: 'ORDERS', service: 'basic' }]));
    expect(await echo(client, { name })).toEqual({ name });
  });

  it.each([
    ['useFactory', { imports: [ConfigModule], inject: ['CONFIG'], useFactory: (config: object) => ({ ...config, service: 'basic' }) }],
    ['useClass', { useClass: OptionsFactory }],
    ['useExisting', { imports: [ConfigModule], useExisting: OptionsFactory }],
  ])('by registerClients with %s', async (name, source) => {
    const { client } = await injected(RsmModule.registerClients([{ name: 'ORDERS', ...source }]));
    expect(await echo(client, name)).toBe(name);
  });

  it("prefers the client's own options to the defaults", async () => {
    const { client } = await injected(
      RsmModule.forRoot({ directory: newServiceDirectory(), codec: 'msgpack' }),
      RsmModule.registerClients([{ name: 'ORDERS', service: 'basic', directory }]),
    );
    expect(await echo(client, 'own')).toBe('own');
  });

  it('is injected with @InjectRsmClient and closed with its application', async () => {
    @Injectable()
    class Orders {
      constructor(
        @InjectRsmClient('ORDERS') readonly first: RsmClient,
        @InjectRsmClient('OTHERS') readonly second: RsmClient,
      ) {}
    }
    @Module({
      imports: [
        RsmModule.forRoot({ directory }),
        RsmModule.registerClients([
          { name: 'ORDERS', service: 'basic' },
          { name: 'OTHERS', service: 'basic' },
        ]),
      ],
      providers: [Orders],
    })
    class AppModule {}
    const app = closeAfterwards(await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] }));
    const { first, second } = app.get(Orders);
    expect(first).not.toBe(second);
    expect(await Promise.all([echo(first, 1), echo(second, 2)])).toEqual([1, 2]);
    await app.close();
    await eventually(async () => expect(await service.call('connections')).toEqual({ now: 0, ever: 2 }));
  });

  it('fails at start with RSM_INVALID_OPTIONS where no service is named', async () => {
    const start = NestFactory.createApplicationContext(RsmModule.registerClients([{ name: 'ORDERS' }]), {
      logger: false,
      abortOnError: false,
    });
    await expect(start).rejects.toMatchObject({ code: 'RSM_INVALID_OPTIONS', message: expect.stringContaining('service') });
  });
});

describe('a client of other makes', () => {
  it('@Client() puts one into a property', async () => {
    const options = { service: 'basic', directory };
    @Injectable()
    class Orders {
      // Nest's type for @Client() leaves out custom transports, which it takes.
      @Client({ customClass: RsmClient, options } as ClientOptions)
      client!: RsmClient;
    }
    @Module({ providers: [Orders] })
    class AppModule {}
    const app = closeAfterwards(await NestFactory.createMicroservice(AppModule, { strategy: idleStrategy, logger: ['error', 'warn'] }));
    await app.init();
    const { client } = app.get(Orders);
    closeAfterwards(client);
    expect(await echo(client, 'property')).toBe('property');
  });

  it('ClientProxyFactory makes one', async () => {
    const client = closeAfterwards(ClientProxyFactory.create({ customClass: RsmClient, options: { service: 'basic', directory } }));
    expect(await echo(client, 'factory')).toBe('factory');
  });

  it('new RsmClient is one', async () => {
    expect(await echo(newClient(), 'new')).toBe('new');
  });
});

/** @Client() is honoured by applications with microservices. */
const idleStrategy = {
  listen: (callback: () => void) => callback(),
  close: () => undefined,
  on: () => undefined,
  unwrap: () => undefined as never,
};

describe('connecting', () => {
  it('happens at the first message, not before', async () => {
    const client = newClient();
    expect(await service.call('connections')).toEqual({ now: 0, ever: 0 });
    await echo(client, 0);
    expect(await service.call('connections')).toEqual({ now: 1, ever: 1 });
  });

  it('happens at an emit too', async () => {
    const client = newClient();
    client.emit('event', 1);
    await eventually(async () => expect(await service.call('events')).toEqual([1]));
  });

  it('can be asked for: connect() resolves when an instance is connected', async () => {
    const client = newClient();
    await client.connect();
    await eventually(async () => expect(await service.call('connections')).toEqual({ now: 1, ever: 1 }));
    expect(await echo(client, 1)).toBe(1);
  });

  it('ten at once make one connection', async () => {
    const client = newClient();
    await Promise.all([...Array.from({ length: 10 }, () => client.connect()), ...Array.from({ length: 10 }, (_, n) => echo(client, n))]);
    await client.connect();
    expect(await service.call('connections')).toEqual({ now: 1, ever: 1 });
    expect(client.counters.connections).toBe(1);
  });

  it('fails with RSM_UNREACHABLE, which names the folder, after connectTimeout', async () => {
    const empty = newServiceDirectory();
    const client = closeAfterwards(new RsmClient({ service: 'nobody', directory: empty, connectTimeout: 100 }));
    await expect(client.connect()).rejects.toMatchObject({ code: 'RSM_UNREACHABLE', message: expect.stringContaining(empty) });
    expect((await observe(client.send('echo', 0))).error).toMatchObject({
      code: 'RSM_UNREACHABLE',
      message: expect.stringContaining(empty),
    });
    expect((await observe(client.emit('event', 0))).error).toMatchObject({ code: 'RSM_UNREACHABLE' });
  });
});

describe('status, on and unwrap', () => {
  it('status tells of connecting and disconnecting, and the last state to those that come later', async () => {
    const client = newClient();
    const seen: string[] = [];
    client.status.subscribe((status) => seen.push(status));
    await client.connect();
    await eventually(() => expect(seen).toEqual([RsmStatus.CONNECTED]));
    const later: string[] = [];
    client.status.subscribe((status) => later.push(status));
    expect(later).toEqual([RsmStatus.CONNECTED]);
    await service.stop();
    await eventually(() => expect(seen.at(-1)).not.toBe(RsmStatus.CONNECTED));
    await startService('basic');
    await eventually(() => expect(seen.at(-1)).toBe(RsmStatus.CONNECTED));
    await client.close();
    expect(seen.at(-1)).toBe(RsmStatus.DISCONNECTED);
  });

  it('on tells of instances that come and go, with their process', async () => {
    const client = newClient();
    const seen: unknown[] = [];
    client.on('connect', (connection) => seen.push(['connect', connection.peer.pid]));
    client.on('disconnect', (connection) => seen.push(['disconnect', connection.peer.pid]));
    await client.connect();
    await eventually(() => expect(seen).toEqual([['connect', service.pid]]));
    await service.stop();
    await eventually(() => expect(seen.at(-1)).toEqual(['disconnect', service.pid]));
  });

  it('on tells of an emit that failed and that nobody awaits', async () => {
    const client = closeAfterwards(new RsmClient({ service: 'nobody', directory, connectTimeout: 20 }));
    const failed: unknown[] = [];
    client.on('emitError', (error, pattern) => failed.push([(error as { code: string }).code, pattern]));
    client.emit('event', 0);
    await eventually(() => expect(failed).toEqual([['RSM_UNREACHABLE', 'event']]));
    expect(client.counters.unobservedFailures).toBe(1);
  });

  it('of a server tell of it too', async () => {
    expect(await service.call('statuses')).toEqual([RsmStatus.CONNECTED]);
    await newClient().connect();
    await eventually(async () => expect(await service.call('connections')).toEqual({ now: 1, ever: 1 }));
  });

  it('unwrap gives the connector with its tables', async () => {
    const client = newClient();
    await echo(client, 'a message');
    const connector = client.unwrap();
    expect([...connector.connections].map(({ peer }) => peer.pid)).toEqual([service.pid]);
    const out = connector.segmentGroupTable().filter(({ direction }) => direction === 'out');
    const carried = out.reduce((sum, { messages }) => sum + messages, 0);
    expect(carried).toBeGreaterThanOrEqual(1);
    expect(connector.segmentTable().map(({ role }) => role)).toEqual(expect.arrayContaining(['source', 'target']));
  });
});

describe('close', () => {
  it('twice, one after the other and at once, is the same as once', async () => {
    const client = newClient();
    await echo(client, 0);
    await Promise.all([client.close(), client.close()]);
    await client.close();
    await eventually(async () => expect((await service.call('connections')).now).toBe(0));
  });

  it('of a client that was never used does nothing', async () => {
    await newClient().close();
    expect(await service.call('connections')).toEqual({ now: 0, ever: 0 });
  });

  it('waits for what was emitted', async () => {
    const client = newClient();
    for (let n = 0; n < 2_000; n++) {
      client.emit('event', n);
    }
    await client.close();
    expect(await service.call('events')).toEqual(Array.from({ length: 2_000 }, (_, n) => n));
  });

  it('can be followed by another use', async () => {
    const client = newClient();
    for (let round = 1; round <= 3; round++) {
      expect(await echo(client, round)).toBe(round);
      await client.close();
    }
    client.emit('event', 'after close');
    await client.connect();
    await eventually(async () => expect(await service.call('events')).toEqual(['after close']));
    expect((await service.call('connections')).ever).toBe(4);
  });

  it('takes a message that is sent while it closes', async () => {
    const client = newClient();
    await echo(client, 0);
    const closing = client.close();
    const reply = observe(client.send('echo', 'meanwhile'));
    await closing;
    const { values, error } = await reply;
    // Either it went through, or it says why not; it does not hang.
    expect(error === undefined ? values : error.code).toEqual(error === undefined ? ['meanwhile'] : 'RSM_CONNECTION_LOST');
    expect(await echo(client, 'afterwards')).toBe('afterwards');
  });
});
