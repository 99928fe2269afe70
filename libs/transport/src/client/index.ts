export type { RsmClientCounters } from './client-counters.js';
export { RsmClient } from './rsm.client.js';
export { RsmLoan } from './rsm-loan.js';
export type { RsmClientEvents } from './rsm.client.js';
