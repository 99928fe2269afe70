import { type ClientsModuleOptions, type MicroserviceOptions, Transport } from '@nestjs/microservices';
import { RsmClient, RsmServer } from 'nestjs-rsm';

/** Names under which the clients of the other services are injected. */
export const DELAYS = 'DELAYS';
export const LOOKUPS = 'LOOKUPS';
/** The gateway's own microservice: the health check asks it too. */
export const GATEWAY = 'GATEWAY';

interface GatewayTransport {
  server: MicroserviceOptions;
  clients: ClientsModuleOptions;
}

/** Nest's TCP transport. */
function tcp(): GatewayTransport {
  const port = {
    gateway: Number(process.env.GATEWAY_PORT ?? 4103),
    delays: Number(process.env.DELAYS_PORT ?? 4101),
    lookups: Number(process.env.LOOKUPS_PORT ?? 4102),
  };
  return {
    server: { transport: Transport.TCP, options: { port: port.gateway } },
    clients: [
      { name: DELAYS, transport: Transport.TCP, options: { port: port.delays } },
      { name: LOOKUPS, transport: Transport.TCP, options: { port: port.lookups } },
      { name: GATEWAY, transport: Transport.TCP, options: { port: port.gateway } },
    ],
  };
}

/** The same over shared memory. These are the lines to change in an application. */
function rsm(): GatewayTransport {
  return {
    server: { strategy: new RsmServer({ service: 'gateway' }) },
    clients: [
      { name: DELAYS, customClass: RsmClient, options: { service: 'delays' } },
      { name: LOOKUPS, customClass: RsmClient, options: { service: 'lookups' } },
      { name: GATEWAY, customClass: RsmClient, options: { service: 'gateway' } },
    ],
  };
}

/** Chosen by the environment variable TRANSPORT: `rsm` (default) or `tcp`. */
export const transport = process.env.TRANSPORT === 'tcp' ? tcp() : rsm();

/** Takes no more messages and finishes those that run. Nest's TCP transport has no such step. */
export async function drain(): Promise<void> {
  if ('strategy' in transport.server && transport.server.strategy instanceof RsmServer) {
    await transport.server.strategy.drain();
  }
}
