import type { KillRun, Run, TransportName } from './results.js';

/** A run without a fault, for specs. */
export function runOf(transport: TransportName, factor = 1): Run {
  const durations = (p50: number) => ({ count: 100, p50: p50 * factor, p90: p50 * 2 * factor, p99: p50 * 5 * factor });
  return {
    transport,
    replay: {
      sent: { flights: 4, totalDelay: 60, checksum: 99 },
      repeated: 0,
      received: { flights: 4, recovered: 0, totalDelay: 60, checksum: 99, missing: 0, firstMissing: [], doubled: 0, firstDoubled: [] },
      milliseconds: 0.04 * factor,
      eventsPerSecond: 100_000 / factor,
    },
    roundTrips: durations(10),
    map: { bytes: 642_361, object: durations(2_000), buffer: durations(400) },
    query: { flights: 50, milliseconds: 7 * factor },
    answers: {
      top: [{ origin: 'SAN', name: 'San Diego', city: 'San Diego', flights: 4, delayed: 2, totalDelay: 60, meanDelay: 15 }],
      map: 'a1',
      query: 'b2',
    },
    minimumFlights: 1,
    groups:
      transport === 'tcp'
        ? []
        : [
            { direction: 'out', partitionSize: 64, partitions: 4_096, spanFactor: 32, messages: 6, bytes: 800, highWater: 1_024 },
            { direction: 'out', partitionSize: 65_536, partitions: 16, spanFactor: 16, messages: 0, bytes: 0, highWater: 0 },
          ],
  };
}

/** A stream of 4 events whose consumer was killed after 2, the second of which came again, for specs. */
export function killRunOf(transport: TransportName): KillRun {
  const { replay } = runOf(transport);
  Object.assign(replay.received, { recovered: 2, firstHandledAt: 1_640, doubled: 1, firstDoubled: [1] });
  return { transport, replay, killedAt: 1_000, successorReadyAt: 1_600 };
}
