/** The server's process: `server.js <peer>`, driven by the benchmark over IPC. */
import 'reflect-metadata';
import { serveServer } from '../control.js';
import { loadPeer } from './peers/index.js';
import { serveNest } from './serve.js';

const peer = await loadPeer(process.argv[2]!);
serveServer((place) => serveNest(peer, place));
