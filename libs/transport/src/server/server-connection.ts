import { type Connection, RsmError } from '@nestjs-rsm/segments';
import { corrupt } from '../errors.js';
import type { Route } from './handler-registry.js';
import { ReplyChannel } from './reply-channel.js';
import type { RequestRun } from './request-dispatch.js';
import { MAX_ROUTE_BYTES, MAX_ROUTES, MAX_ROUTES_BYTES } from './route-limits.js';
import type { ServerRuntime } from './server-runtime.js';

/** A client has no more requests than that waiting in the partitions of one channel. */
const MAX_EARLY_CANCELS = 65_536;

/** What the server keeps of one client: the routes it announced, its open requests, its replies. */
export class ServerConnection {
  /** Open requests by the id their client gave them. */
  readonly requests = new Map<number, RequestRun>();
  /** Requests that are answered or cancelled, but not yet given back. */
  readonly lingering = new Set<RequestRun>();
  readonly replies: ReplyChannel;
  /** It broke the protocol: what it still delivers is not looked at. */
  broken = false;
  private readonly routes: (Route | undefined)[] = [];
  private routesBytes = 0;
  /** Ids grow: the highest one that was delivered. */
  private lastRequest = 0;
  /** Cancels that overtook their request, which waits in its partitions for the server's credit. */
  private readonly cancelledEarly = new Set<number>();

  constructor(
    private readonly runtime: ServerRuntime,
    readonly connection: Connection,
  ) {
    this.replies = new ReplyChannel(runtime, connection);
  }

  /** Takes a route frame. Throws RSM_CORRUPT_SEGMENT beyond the bounds. */
  announce(id: number, pattern: string, bytes: number): void {
    if (id < 1 || id > MAX_ROUTES || bytes > MAX_ROUTE_BYTES) {
      throw corrupt(`a route ${id} of ${bytes} bytes; allowed are ids from 1 to ${MAX_ROUTES} and ${MAX_ROUTE_BYTES} bytes`);
    }
    if (this.routes[id] !== undefined) {
      throw corrupt(`route ${id} is announced twice`);
    }
    this.routesBytes += bytes;
    if (this.routesBytes > MAX_ROUTES_BYTES) {
      throw corrupt(`routes of more than ${MAX_ROUTES_BYTES} bytes in all`);
    }
    this.routes[id] = this.runtime.registry.resolve(pattern);
  }

  /** Throws RSM_CORRUPT_SEGMENT for a route that was not announced. */
  route(id: number): Route {
    const route = this.routes[id];
    if (route === undefined) {
      throw corrupt(`route ${id} was not announced`);
    }
    const { registry } = this.runtime;
    if (route.version === registry.version) {
      return route;
    }
    return (this.routes[id] = registry.resolve(route.pattern));
  }

  /** A cancel frame. The one for a request that is answered already finds nothing. */
  cancel(id: number): void {
    const run = this.requests.get(id);
    if (run !== undefined) {
      run.cancelByClient();
    } else if (isLater(id, this.lastRequest) && this.cancelledEarly.size < MAX_EARLY_CANCELS) {
      this.cancelledEarly.add(id);
    }
  }

  /** A request was delivered. False where it had been cancelled before. */
  admit(id: number): boolean {
    if (isLater(id, this.lastRequest)) {
      this.lastRequest = id;
    }
    return this.cancelledEarly.size === 0 || !this.cancelledEarly.delete(id);
  }

  /** The client has gone: its requests are pointless. Its events go on. */
  abandon(): void {
    this.replies.abandon();
    if (this.requests.size > 0 || this.lingering.size > 0) {
      const { pid } = this.connection.peer;
      const reason = new RsmError('RSM_CONNECTION_LOST', `The client that made the request (process ${pid}) was disconnected.`);
      for (const run of [...this.requests.values(), ...this.lingering]) {
        run.cancel(reason, true);
      }
    }
  }
}

/** Ids are 32 bits and begin again. */
function isLater(id: number, than: number): boolean {
  return ((id - than) | 0) > 0;
}
