/** The server's process: `server.js <peer>`, driven by the benchmark over IPC. */
import { serveServer } from '../control.js';
import { loadPeer } from './peers/index.js';
import { serveRaw } from './serve.js';

const peer = await loadPeer(process.argv[2]!);
serveServer((place) => serveRaw(peer, place));
