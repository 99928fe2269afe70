import type { NestPeer } from './peer.js';

/** Every peer by name. A process loads the code of its own one only. */
const PEERS: Record<string, () => Promise<NestPeer>> = {
  rsm: async () => (await import('./rsm.js')).rsm,
  tcp: async () => (await import('./tcp.js')).tcp,
  redis: async () => (await import('./redis.js')).redis,
  nats: async () => (await import('./nats.js')).nats,
  rabbitmq: async () => (await import('./rabbitmq.js')).rabbitmq,
  grpc: async () => (await import('./grpc.js')).grpc,
};

export const peerNames = Object.keys(PEERS);

export function loadPeer(name: string): Promise<NestPeer> {
  if (!Object.hasOwn(PEERS, name)) throw new Error(`There is no peer "${name}"; there are ${peerNames.join(', ')}.`);
  return PEERS[name]!();
}

export type { Address, BenchClient, NestPeer, NestPlace } from './peer.js';
