/** The server's process: `server.js <peer>`, driven by the benchmark over IPC. */
import 'reflect-metadata';
import { CLOSE, serveCommands } from './control.js';
import { serveNest } from './nest/server.js';
import { loadPeer, type Place } from './peers/index.js';
import { serveRaw } from './raw/server.js';
import type { ServerSession } from './server-session.js';

const peer = await loadPeer(process.argv[2]!);
let session: ServerSession | undefined;

serveCommands({
  start: async (place: Place) => {
    session = await (peer.layer === 'nest' ? serveNest(peer, place) : serveRaw(peer, place));
    return session.address;
  },
  /** CPU time used so far, µs. */
  usage: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  [CLOSE]: () => session?.close(),
});
