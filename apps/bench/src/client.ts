/** The client's process: `client.js <peer>`, driven by the benchmark over IPC. */
import 'reflect-metadata';
import type { ClientSession } from './client-session.js';
import { CLOSE, serveCommands } from './control.js';
import { connectNest } from './nest/client.js';
import { type Address, loadPeer } from './peers/index.js';
import { connectRaw } from './raw/client.js';
import type { Timing } from './workloads/workload.js';

/** One measurement. */
export interface Run {
  workload: string;
  payload: string;
  timing: Timing;
}

const peer = await loadPeer(process.argv[2]!);
let session: ClientSession | undefined;

serveCommands({
  start: async (address: Address) => {
    session = await (peer.layer === 'nest' ? connectNest(peer, address) : connectRaw(peer, address));
  },
  run: ({ workload, payload, timing }: Run) => session!.run(workload, payload, timing),
  open: (connections: number) => session!.open(connections),
  [CLOSE]: () => session?.close(),
});
