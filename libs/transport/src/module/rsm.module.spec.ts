import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RsmClient } from '../client/index.js';
import { type RsmClientOptionsFactory, type RsmDefaultsFactory } from './module-options.js';
import { InjectRsmClient, RsmModule } from './rsm.module.js';

type Resolved = { options: { service: string; maxAttempts: number; closeTimeout: number } };

function optionsOf(client: RsmClient): Resolved['options'] {
  return (client as unknown as Resolved).options;
}

@Injectable()
class Settings implements RsmDefaultsFactory, RsmClientOptionsFactory {
  createRsmDefaults(): { maxAttempts: number; closeTimeout: number } {
    return { maxAttempts: 7, closeTimeout: 11 };
  }

  createRsmClientOptions(): Promise<{ service: string }> {
    return Promise.resolve({ service: 'from-class' });
  }
}

@Module({ providers: [Settings, { provide: 'SERVICE', useValue: 'from-factory' }], exports: [Settings, 'SERVICE'] })
class SettingsModule {}

@Injectable()
class User {
  constructor(
    @InjectRsmClient('PLAIN') readonly plain: RsmClient,
    @InjectRsmClient('FACTORY') readonly factory: RsmClient,
    @InjectRsmClient('CLASS') readonly byClass: RsmClient,
    @Inject('EXISTING') readonly existing: RsmClient,
  ) {}
}

describe('RsmModule', () => {
  it('makes clients from every source, with the defaults beneath, and closes them at shutdown', async () => {
    @Module({
      imports: [
        RsmModule.forRootAsync({ imports: [SettingsModule], useExisting: Settings }),
        RsmModule.registerClients([
          { name: 'PLAIN', service: 'plain', maxAttempts: 3 },
          { name: 'FACTORY', imports: [SettingsModule], inject: ['SERVICE'], useFactory: (service: string) => ({ service }) },
          { name: 'CLASS', useClass: Settings },
          { name: 'EXISTING', imports: [SettingsModule], useExisting: Settings },
        ]),
      ],
      providers: [User],
    })
    class AppModule {}

    const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
    const { plain, factory, byClass, existing } = app.get(User);
    expect(optionsOf(plain)).toMatchObject({ service: 'plain', maxAttempts: 3, closeTimeout: 11 });
    expect(optionsOf(factory)).toMatchObject({ service: 'from-factory', maxAttempts: 7 });
    expect(optionsOf(byClass).service).toBe('from-class');
    expect(optionsOf(existing).service).toBe('from-class');
    let closed = 0;
    plain.close = () => {
      closed++;
      return Promise.resolve();
    };
    await app.close();
    expect(closed).toBe(1);
  });

  it('works without defaults, and finds bad options at start', async () => {
    @Module({ imports: [RsmModule.registerClients([{ name: 'A', service: 'a' }])] })
    class GoodModule {}
    const app = await NestFactory.createApplicationContext(GoodModule, { logger: false });
    expect(optionsOf(app.get<RsmClient>('A', { strict: false })).service).toBe('a');
    await app.close();

    @Module({ imports: [RsmModule.forRoot({ maxAttempts: 0 }), RsmModule.registerClients([{ name: 'A', service: 'a' }])] })
    class BadModule {}
    await expect(NestFactory.createApplicationContext(BadModule, { logger: false, abortOnError: false })).rejects.toThrow(
      /maxAttempts is 0/,
    );
  });

  it('refuses an entry with two sources', () => {
    expect(() => RsmModule.registerClients([{ name: 'A', useClass: Settings, useFactory: () => ({}) }])).toThrow(/client 'A'.*exactly one/);
    expect(() => RsmModule.forRootAsync({})).toThrow(/forRootAsync.*exactly one/);
  });
});
