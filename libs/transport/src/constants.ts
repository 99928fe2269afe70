/** Identifies this transport wherever Nest asks for a transport id (`@EventPattern('x', RSM_TRANSPORT)`); the same symbol in every copy of the package. */
export const RSM_TRANSPORT: unique symbol = Symbol.for('nestjs-rsm');

/** Connection states reported by the `status` streams of RsmClient and RsmServer. */
export const RsmStatus = { CONNECTED: 'connected', DISCONNECTED: 'disconnected' } as const;
export type RsmStatus = (typeof RsmStatus)[keyof typeof RsmStatus];

/** Bytes from which a message arrives in memory of its own: a Buffer in it is a view then, copied once on its way. */
export const OWN_FROM = 128 * 1024;
