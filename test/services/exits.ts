/** Does what a scenario says, closes what it opened, and then has to exit by itself. */
import { existsSync } from 'node:fs';
import { Listener } from '@nestjs-rsm/segments';
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientsModule, type CustomStrategy, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { RsmClient, RsmServer } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { fixtureOptions, ready } from './fixture/fixture.js';

@Controller()
class EchoController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown) {
    return data;
  }

  @MessagePattern('hang')
  hang() {
    return new Promise(() => {});
  }

  @EventPattern<string>('note')
  note() {
    throw new Error('a handler that fails');
  }
}

@Module({
  imports: [ClientsModule.register([{ name: 'OTHER', customClass: RsmClient, options: { service: 'jobs', connectTimeout: 200 } }])],
  controllers: [EchoController],
})
class ExitsModule {}

async function serve(): Promise<{ close(): Promise<void> }> {
  const strategy = new RsmServer({ service: 'exits', drainTimeout: 100 });
  const app = await NestFactory.createMicroservice(ExitsModule, { strategy, logger: false } as CustomStrategy & { logger: false });
  await app.listen();
  return app;
}

const scenarios: Record<string, () => Promise<void>> = {
  async 'a server that exits without closing'() {
    const listener = new Listener({ service: 'left-open' });
    await listener.listen();
    console.log(existsSync(listener.path) ? 'LISTENING' : 'NOT LISTENING');
    process.exit(0);
  },
  async 'a client that has answers'() {
    const client = new RsmClient({ service: 'jobs' });
    await lastValueFrom(client.send('echo', 1));
    await lastValueFrom(client.emit('digest', 'text'));
    await client.close();
  },
  async 'a client that never connected'() {
    await new RsmClient({ service: 'jobs' }).close();
  },
  async 'a client whose service is not there'() {
    const client = new RsmClient({ service: 'nobody', connectTimeout: 100 });
    await client.connect().catch(() => {});
    await lastValueFrom(client.send('echo', 1)).catch(() => {});
    client.emit('job', {});
    await client.close();
  },
  async 'a client with a pending request'() {
    const client = new RsmClient({ service: 'jobs' });
    const pending = lastValueFrom(client.send('ask', { n: 1 })).catch(() => {});
    await client.connect();
    await client.close();
    await pending;
  },
  async 'a client that closed twice and was used between'() {
    const client = new RsmClient({ service: 'jobs' });
    await client.connect();
    await client.close();
    await lastValueFrom(client.send('echo', 1));
    await Promise.all([client.close(), client.close()]);
  },
  async 'a server'() {
    const app = await serve();
    await app.close();
  },
  async 'a server and its own client, after errors'() {
    const app = await serve();
    const client = new RsmClient({ service: 'exits' });
    await lastValueFrom(client.send('echo', 1));
    await lastValueFrom(client.emit('note', {}));
    await lastValueFrom(client.send('no such pattern', 1)).catch(() => {});
    const pending = lastValueFrom(client.send('hang', 1)).catch(() => {});
    await client.close();
    await pending;
    await app.close();
  },
  async 'a server that is closed before its client'() {
    const app = await serve();
    const client = new RsmClient({ service: 'exits', connectTimeout: 200 });
    await lastValueFrom(client.send('echo', 1));
    await app.close();
    await lastValueFrom(client.send('echo', 1)).catch(() => {});
    await client.close();
  },
};

const { scenario = '' } = fixtureOptions<{ scenario: string }>();
ready();
await scenarios[scenario]!();
console.log('CLOSED');
process.channel?.unref();
