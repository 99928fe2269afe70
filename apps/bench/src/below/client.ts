/** The client's process: `client.js <peer>`, driven by the benchmark over IPC. */
import { serveClient } from '../control.js';
import { connectRaw } from './connect.js';
import { loadPeer } from './peers/index.js';

const peer = await loadPeer(process.argv[2]!);
serveClient((address) => connectRaw(peer, address));
