import { RsmClient, RsmServer } from 'nestjs-rsm';
import type { NestPeer } from './peer.js';

const service = 'bench';

/** Shared memory. */
export const rsm: NestPeer = {
  name: 'rsm',
  server: ({ folder }) => ({ strategy: new RsmServer({ service, directory: folder }) }),
  client: (address) => ({ customClass: RsmClient, options: { service, directory: String(address.folder) } }),
};
