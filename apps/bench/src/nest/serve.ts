import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { ServerSession } from '../server-session.js';
import type { NestPeer } from './peers/index.js';
import type { Place } from '../suite.js';
import { BenchController } from './bench.controller.js';

@Module({ controllers: [BenchController] })
class ServerModule {}

export async function serveNest(peer: NestPeer, place: Place): Promise<ServerSession> {
  const app = await NestFactory.createMicroservice(ServerModule, { ...peer.server(place), logger: false });
  await app.listen();
  return { address: peer.address(app, place), close: () => app.close() };
}
