import { type MicroserviceOptions, Transport } from '@nestjs/microservices';
import { RsmServer } from 'nestjs-rsm';

/** Nest's TCP transport. */
function tcp(): MicroserviceOptions {
  return { transport: Transport.TCP, options: { port: Number(process.env.LOOKUPS_PORT ?? 4102) } };
}

/** The same service over shared memory. This is the line to change in a service. */
function rsm(): MicroserviceOptions {
  return { strategy: new RsmServer({ service: 'lookups' }) };
}

/** Chosen by the environment variable TRANSPORT: `rsm` (default) or `tcp`. */
export const transport = process.env.TRANSPORT === 'tcp' ? tcp() : rsm();

/** Takes no more messages and finishes those that run. Nest's TCP transport has no such step. */
export async function drain(): Promise<void> {
  if ('strategy' in transport && transport.strategy instanceof RsmServer) {
    await transport.strategy.drain();
  }
}
