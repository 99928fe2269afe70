/** Several servers of several services, and several clients of each, in one process. */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type CustomStrategy, MessagePattern, Payload } from '@nestjs/microservices';
import { RsmClient, RsmServer } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { expose, onStop, ready } from './fixture/fixture.js';

@Controller()
class EchoController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown) {
    return data;
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

const servers = ['red', 'red', 'blue'].map((service) => new RsmServer({ service }));
for (const strategy of servers) {
  const app = await NestFactory.createMicroservice(EchoModule, { strategy, logger: false } as CustomStrategy & { logger: false });
  await app.listen();
  onStop(() => app.close());
}
const clients = ['red', 'red', 'blue', 'blue'].map((service) => new RsmClient({ service }));
clients.forEach((client) => onStop(() => client.close()));

expose({
  /** Each client sends `count` requests; returns what each has been answered, and how many requests each server has had. */
  async ask(count: number) {
    const connectors = clients.map((client) => client.connect());
    await Promise.all(connectors);
    const ask = (client: RsmClient, from: number): Promise<number[]> =>
      Promise.all(Array.from({ length: count }, (_, i) => lastValueFrom(client.send<number>('echo', from + i))));
    const answers = await Promise.all(clients.map((client, i) => ask(client, i * 1_000_000)));
    return { answers, requests: servers.map(({ counters }) => counters.requests) };
  },
});
ready();
