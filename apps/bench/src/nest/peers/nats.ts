import { Transport } from '@nestjs/microservices';
import type { NatsConnection } from '@nats-io/transport-node';
import type { NestPeer } from './peer.js';

const host = '127.0.0.1';
/** Batches of events between two questions to the server whether it has all of them. */
const BATCHES = 8;
let batches = 0;

/** Nest's NATS transport. An emit ends at once, the event still in this process. */
export const nats: NestPeer = {
  name: 'nats',
  server: ({ port }) => ({ transport: Transport.NATS, options: { servers: [`nats://${host}:${port}`] } }),
  client: ({ port }) => ({ transport: Transport.NATS, options: { servers: [`nats://${host}:${port}`] } }),
  room: (client) => (++batches % BATCHES === 0 ? client.unwrap<NatsConnection>().flush() : undefined),
};
