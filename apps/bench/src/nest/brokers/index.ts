import type { Broker } from './broker.js';
import { nats } from './nats.js';
import { rabbitmq } from './rabbitmq.js';
import { redis } from './redis.js';

/** By the name of the peer that needs it. */
export const brokers: Readonly<Record<string, Broker>> = { redis, nats, rabbitmq };
export type { Broker, RunningBroker } from './broker.js';
