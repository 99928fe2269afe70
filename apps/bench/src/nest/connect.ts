import { type DynamicModule, type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type ClientProxy, ClientsModule } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import type { ClientSession } from '../client-session.js';
import { FIRST_NUMBER, nestPayload } from '../payloads.js';
import type { Address, BenchClient, NestPeer } from './peers/index.js';
import type { Timing } from '../suite.js';
import { workloadNamed } from '../workload.js';
import { nestWorkloads } from './workloads/index.js';

const BENCH = 'BENCH';

@Module({})
class ClientModule {
  static connectedTo(peer: NestPeer, address: Address): DynamicModule {
    return { module: ClientModule, imports: [ClientsModule.register([{ name: BENCH, ...peer.client(address) }])] };
  }
}

export async function connectNest(peer: NestPeer, address: Address): Promise<ClientSession> {
  const apps: INestApplicationContext[] = [];
  const open = async (): Promise<{ proxy: ClientProxy; client: BenchClient }> => {
    const app = await NestFactory.createApplicationContext(ClientModule.connectedTo(peer, address), { logger: false });
    apps.push(app);
    const proxy = app.get<ClientProxy>(BENCH);
    if (peer.connect) return { proxy, client: await peer.connect(proxy) };
    await proxy.connect();
    return { proxy, client: proxy };
  };
  const { proxy, client } = await open();
  return {
    async run(workload, payloadName, { warmUp, time }: Timing) {
      const payload = nestPayload(payloadName);
      const { run } = workloadNamed(nestWorkloads, workload);
      const measure = async (milliseconds: number) => {
        await lastValueFrom(client.send<boolean>('prepare', payloadName));
        return run({ client, payload, time: milliseconds, room: () => peer.room?.(proxy) });
      };
      await measure(warmUp);
      return measure(time);
    },
    async open(connections) {
      for (let i = 0; i < connections; i++) {
        const { client: one } = await open();
        const payload = nestPayload('64B');
        await lastValueFrom(one.send('echo', payload.write(payload.create(), FIRST_NUMBER)));
      }
    },
    async close() {
      for (const app of apps) await app.close();
    },
  };
}
