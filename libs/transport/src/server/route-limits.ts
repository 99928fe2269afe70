/*
 * Bounds of interned routes, kept by both sides: a client sends patterns beyond them inline, a server ends connections that exceed them.
 */

/** Route ids are 1 to this. 0: the frame has no route of its own (a packet of the user's serializer brings its pattern along). */
export const MAX_ROUTES = 65_536;
/** UTF-8 bytes of one interned pattern. */
export const MAX_ROUTE_BYTES = 1_024;
/** UTF-8 bytes of all interned patterns of one client. */
export const MAX_ROUTES_BYTES = 4 * 1024 * 1024;
