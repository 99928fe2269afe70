import type { Layer, Peer } from './peer.js';

interface Entry {
  readonly layer: Layer;
  readonly load: () => Promise<Peer>;
}

/** Every peer by name. A process loads the code of its own one only. */
const PEERS = {
  rsm: { layer: 'nest', load: async () => (await import('./rsm.js')).rsm },
  tcp: { layer: 'nest', load: async () => (await import('./tcp.js')).tcp },
  segments: { layer: 'raw', load: async () => (await import('./segments.js')).segments },
} satisfies Record<string, Entry>;

export type PeerName = keyof typeof PEERS;

export const peerNames = Object.keys(PEERS) as PeerName[];

export function layerOf(name: PeerName): Layer {
  return PEERS[name].layer;
}

export function loadPeer(name: string): Promise<Peer> {
  if (!Object.hasOwn(PEERS, name)) {
    throw new Error(`There is no peer "${name}"; there are ${peerNames.join(', ')}.`);
  }
  return PEERS[name as PeerName].load();
}

export type { Address, Layer, NestPeer, Peer, Place, RawConnection, RawEnd, RawPeer, RawReceiver } from './peer.js';
