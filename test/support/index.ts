/**
 * End-to-end tests run services as processes of their own:
 *
 * - A fixture `test/services/<name>.ts` (built to test/dist) serves a Nest module with `serve()`, or does what it likes and calls `ready()`.
 * - A spec starts it with `startService('<name>')`, asks it with `service.call('function', …)`, signals it, reads its output.
 * - Whatever a test started is closed and removed after it, and no socket may be left (lifetime.ts).
 */
export { eventually } from './eventually.js';
export type { EventuallyOptions } from './eventually.js';
export { closeAfterwards, newServiceDirectory, serviceDirectory, socketsIn, startService } from './lifetime.js';
export type { Closable } from './lifetime.js';
export { observe } from './observe.js';
export type { Seen } from './observe.js';
export { Service } from './service.js';
export type { Exit, ServiceOptions } from './service.js';
