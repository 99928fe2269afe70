import { setTimeout } from 'node:timers/promises';
import { Pair } from './pair.js';
import type { PeerName } from './peers/index.js';
import type { Metric } from './workloads/workload.js';

const CONNECTIONS = 10;
/** Milliseconds for the last message's traces to settle, and for measuring. */
const SETTLE = 1_000;
const MEASURE = 5_000;

export const idleMetric: Metric = { name: `server CPU, ${CONNECTIONS} connections`, unit: '% of a core', better: 'lower' };

/** What the servers use while ten clients are connected and silent; all peers at the same time. In percent of a core, in the peers' order. */
export async function measureIdle(peers: readonly PeerName[], folder: string): Promise<number[]> {
  const pairs: Pair[] = [];
  try {
    for (const peer of peers) {
      const pair = await Pair.start(peer, folder);
      pairs.push(pair);
      await pair.open(CONNECTIONS - 1);
      // The command itself costs CPU: the first one more than the others.
      await pair.serverUsage();
    }
    await setTimeout(SETTLE);
    const before = await Promise.all(pairs.map((pair) => pair.serverUsage()));
    const start = performance.now();
    await setTimeout(MEASURE);
    const after = await Promise.all(pairs.map((pair) => pair.serverUsage()));
    const microseconds = (performance.now() - start) * 1_000;
    return after.map((usage, i) => ((usage - before[i]!) / microseconds) * 100);
  } finally {
    await Promise.all(pairs.map((pair) => pair.stop()));
  }
}
