import { basename } from 'node:path';
import { type RmqOptions, Transport } from '@nestjs/microservices';
import type { Address, NestPeer } from './peer.js';

/** A queue for each start: what an earlier one left is not in the way. */
function options({ folder, port }: Address | { folder: string; port: number }): RmqOptions['options'] {
  const queueOptions = { durable: false, autoDelete: true };
  // Otherwise Nagle's algorithm and delayed acknowledgements cost 40 ms and more at some sizes.
  const socketOptions = { connectionOptions: { noDelay: true } };
  return { urls: [`amqp://guest:guest@127.0.0.1:${port}`], queue: basename(String(folder)), queueOptions, socketOptions };
}

/** Nest's RabbitMQ transport: a queue in memory, deliveries not acknowledged (its default). An emit ends with the broker's confirmation. */
export const rabbitmq: NestPeer = {
  name: 'rabbitmq',
  server: (place) => ({ transport: Transport.RMQ, options: options({ folder: place.folder, port: place.port }) }),
  client: (address) => ({ transport: Transport.RMQ, options: options(address) }),
};
