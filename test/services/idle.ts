/** Either side of idle connections: a service, or clients that have sent one message each. Tells what it uses while nothing happens. */
import { Controller, Module } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import type { Endpoint } from '@nestjs-rsm/segments';
import { RsmClient } from 'nestjs-rsm';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import { expose, fixtureOptions, onStop, ready } from './fixture/fixture.js';
import { serve } from './fixture/serve.js';

const endpoints: Endpoint[] = [];

@Controller()
class IdleController {
  @MessagePattern('hello')
  hello() {
    return true;
  }
}

@Module({ controllers: [IdleController] })
class IdleModule {}

function count(counter: string): number {
  return endpoints.reduce((sum, endpoint) => sum + endpoint.counters()[counter]!, 0);
}

expose({
  connected: () => endpoints.reduce((sum, endpoint) => sum + endpoint.connections.size, 0),
  /** What this process used during `milliseconds`: CPU in milliseconds, and turns of polling. */
  async measure(milliseconds: number) {
    const polls = count('polls');
    const wakes = count('wakes');
    const before = process.cpuUsage();
    await sleep(milliseconds);
    const { user, system } = process.cpuUsage(before);
    return { cpu: (user + system) / 1_000, polls: count('polls') - polls, wakes: count('wakes') - wakes };
  },
});

const { role = 'service', clients = 1, polling } = fixtureOptions<{ role: 'service' | 'clients'; clients: number; polling: 'adaptive' }>();
if (role === 'service') {
  await serve(IdleModule, {
    server: { service: 'idle', ...(polling && { polling }) },
    configure: (_app, server) => server!.on('connection', () => endpoints.splice(0, endpoints.length, server!.unwrap())),
  });
} else {
  for (let i = 0; i < clients; i++) {
    const client = new RsmClient({ service: 'idle', ...(polling && { polling }) });
    onStop(() => client.close());
    await lastValueFrom(client.send('hello', {}));
    endpoints.push(client.unwrap());
  }
  ready();
}
