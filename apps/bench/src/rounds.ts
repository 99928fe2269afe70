/** How often and over what a benchmark runs. */
export interface RoundPlan<Peer, Cell, Started> {
  rounds: number;
  peers: readonly Peer[];
  /** What is measured in each round, over every peer. */
  cells: readonly Cell[];
  /** Starts a peer afresh for one round. */
  start(peer: Peer): Promise<Started>;
  measure(started: Started, cell: Cell, peer: Peer): Promise<void>;
  stop(started: Started): Promise<void>;
}

/**
 * Paired and interleaved rounds: each cell runs over one peer right after the other, so that a slow minute of the machine meets all of
 * them. Every other round goes through the peers backwards (A B, B A, A B …), so that none is always the first.
 */
export async function runRounds<Peer, Cell, Started>(plan: RoundPlan<Peer, Cell, Started>): Promise<void> {
  for (let round = 0; round < plan.rounds; round++) {
    const order = round % 2 === 0 ? plan.peers : [...plan.peers].reverse();
    const started: [Peer, Started][] = [];
    try {
      for (const peer of order) started.push([peer, await plan.start(peer)]);
      for (const cell of plan.cells) {
        for (const [peer, one] of started) await plan.measure(one, cell, peer);
      }
    } finally {
      await Promise.all(started.map(([, one]) => plan.stop(one)));
    }
  }
}
