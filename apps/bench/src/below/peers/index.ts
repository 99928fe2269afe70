import type { RawPeer } from './peer.js';

/** Every peer by name. A process loads the code of its own one only. */
const PEERS: Record<string, () => Promise<RawPeer>> = {
  segments: async () => (await import('./segments.js')).segments('segments', 'adaptive'),
  'segments-blocking': async () => (await import('./segments.js')).segments('segments-blocking', 'blocking'),
  'segments-in-place': async () => (await import('./segments.js')).segments('segments-in-place', 'adaptive', true),
  ring: async () => (await import('./ring.js')).ring,
  zeromq: async () => (await import('./zeromq.js')).zeromq,
  'unix-socket': async () => (await import('./unix-socket.js')).unixSocket,
  pipe: async () => (await import('./pipe.js')).pipe,
  'process.send': async () => (await import('./process-send.js')).processSend,
  'message-port': async () => (await import('./message-port.js')).messagePort,
};

export const peerNames = Object.keys(PEERS);

export function loadPeer(name: string): Promise<RawPeer> {
  if (!Object.hasOwn(PEERS, name)) throw new Error(`There is no peer "${name}"; there are ${peerNames.join(', ')}.`);
  return PEERS[name]!();
}

export type { Address, RawConnection, RawEnd, RawLoan, RawPeer, RawReceiver } from './peer.js';
