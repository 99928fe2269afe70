import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { Transport } from '@nestjs/microservices';
import type { NestPeer } from './peer.js';

const host = '127.0.0.1';

/** Nest's TCP transport. */
export const tcp: NestPeer = {
  name: 'tcp',
  server: () => ({ transport: Transport.TCP, options: { host, port: 0 } }),
  address: (app) => ({ host, port: (app.unwrap<Server>().address() as AddressInfo).port }),
  client: (address) => ({ transport: Transport.TCP, options: { host: String(address.host), port: Number(address.port) } }),
  // ClientTCP's emit completes at once, the event still in this process: beyond 128 MiB the connection is cut and everything lost.
  room: (client) => {
    const socket = client.unwrap<Socket>();
    return socket.writableNeedDrain ? once(socket, 'drain').then(() => undefined) : undefined;
  },
};
