import { Transport } from '@nestjs/microservices';
import type { NestPeer } from './peer.js';

const host = '127.0.0.1';

/** Nest's Redis transport: publish and subscribe. An emit ends with the answer of redis-server. */
export const redis: NestPeer = {
  name: 'redis',
  server: ({ port }) => ({ transport: Transport.REDIS, options: { host, port } }),
  client: ({ port }) => ({ transport: Transport.REDIS, options: { host, port: Number(port) } }),
};
