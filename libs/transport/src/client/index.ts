export type { RsmClientCounters } from './client-counters.js';
export { RsmClient } from './rsm.client.js';
export type { RsmClientEvents } from './rsm.client.js';
