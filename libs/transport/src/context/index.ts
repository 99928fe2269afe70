export { RsmContext } from './rsm.context.js';
export type { RsmContextHost } from './rsm.context.js';
