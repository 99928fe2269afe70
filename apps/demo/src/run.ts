import { Gateway } from './gateway.js';
import { showProgress } from './progress.js';
import type { Run, TransportName } from './results.js';

const ROUND_TRIPS = 10_000;
const MAP_FETCHES = 20;
const QUERY = { origin: 'SFO', limit: 5_000 };
const TOP = 10;

/** Sends `flights` flights through the services behind the gateway, and asks them everything the report shows. */
export async function runOver(transport: TransportName, gateway: Gateway, flights: number): Promise<Run> {
  await gateway.health();
  const replay = await showProgress(gateway, flights, transport, gateway.replay(flights));
  // Airports with less than a thousandth of all flights would lead by chance.
  const minimumFlights = Math.max(1, Math.floor(flights / 1_000));
  const top = await gateway.top(TOP, minimumFlights);
  const roundTrips = await gateway.roundTrips(ROUND_TRIPS);
  const map = await gateway.mapFetch(MAP_FETCHES);
  const { hash, ...query } = await gateway.query(QUERY.origin, QUERY.limit);
  return {
    transport,
    replay,
    roundTrips,
    map,
    query,
    answers: { top, map: await gateway.mapHash(), query: hash },
    minimumFlights,
    groups: transport === 'rsm' ? await gateway.segmentGroups() : [],
  };
}
