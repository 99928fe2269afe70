import type { DynamicModule, INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { ServerSession } from '../server-session.js';
import { BenchController } from './bench.controller.js';
import type { NestPeer, NestPlace } from './peers/index.js';

class ServerModule {}

/** An application that serves the workloads, listening. */
export async function startApp(peer: NestPeer, place: NestPlace): Promise<INestMicroservice> {
  const module: DynamicModule = { module: ServerModule, controllers: [peer.controller ?? BenchController] };
  const app = await NestFactory.createMicroservice(module, { ...peer.server(place), logger: false });
  await app.listen();
  return app;
}

export async function serveNest(peer: NestPeer, place: NestPlace): Promise<ServerSession> {
  const app = await startApp(peer, place);
  const { folder, port } = place;
  return { address: peer.address?.(app) ?? { folder, port }, close: () => app.close() };
}
