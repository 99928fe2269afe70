export { RsmServer } from './rsm.server.js';
export type { RsmServerEvents } from './rsm.server.js';
export type { RsmServerCounters } from './server-counters.js';
