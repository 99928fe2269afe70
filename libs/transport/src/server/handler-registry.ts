import type { MessageHandler } from '@nestjs/microservices';
import { checkInteger, RsmError } from '@nestjs-rsm/segments';
import { ACK_MODES, MOST_HANDLERS, type RsmAckMode } from '../options/index.js';
import { compile, type PatternMatcher } from '../pattern/index.js';
import { HandlerLimit } from './handler-limit.js';

/** A registered handler with what its extras say. */
export interface RegisteredHandler {
  readonly callback: MessageHandler;
  readonly ack: RsmAckMode;
  /** It is given binary payloads in place. */
  readonly zeroCopy: boolean;
  /** Undefined: no limit of its own. */
  readonly limit: HandlerLimit | undefined;
}

/** What a pattern leads to. */
export interface Route {
  /** As it was sent. */
  readonly pattern: string;
  /** All of them run for an event. Empty: none matches. */
  readonly events: readonly RegisteredHandler[];
  /** The one that answers a request. */
  readonly request: RegisteredHandler | undefined;
  /** Which of its event handlers are given binary payloads in place. */
  readonly zeroCopy: 'none' | 'some' | 'all';
  /** Of the registry it was made from: handlers added later make it stale. */
  readonly version: number;
}

/** How the registry asks its server; subclasses of RsmServer may override these. */
export interface PatternLookup {
  getHandlerByPattern(pattern: string): MessageHandler | null;
  routeOf(pattern: string): string;
  readonly messageHandlers: ReadonlyMap<string, MessageHandler>;
}

/** The handlers of a server by pattern. Patterns come from peers: only those that are registered are remembered here. */
export class HandlerRegistry {
  /** Grows with each handler added. */
  version = 0;
  /** There is a handler with zeroCopy. */
  zeroCopy = false;
  private readonly eventHandlers = new Map<string, RegisteredHandler[]>();
  /** The list by its first handler, which is what Nest's look-up finds. */
  private readonly listByHead = new WeakMap<MessageHandler, RegisteredHandler[]>();
  private readonly registered = new WeakMap<MessageHandler, RegisteredHandler>();
  private readonly limits = new WeakMap<object, HandlerLimit>();
  private readonly allLimits: HandlerLimit[] = [];
  private readonly routes = new Map<string, Route>();
  private matcher: PatternMatcher | undefined;

  constructor(
    private readonly lookup: PatternLookup,
    private readonly defaultAck: RsmAckMode,
    private readonly wildcards: boolean,
    private readonly defaultZeroCopy: boolean,
  ) {}

  /** Checks extras and pattern, and keeps an event's handler in the list of its route. Throws RSM_INVALID_OPTIONS. */
  add(route: string, callback: MessageHandler, isEvent: boolean, extras: Record<string, unknown>): void {
    if (this.wildcards && typeof route === 'string') {
      compile([route]);
    }
    const handler = this.register(route, callback, extras);
    if (isEvent) {
      const list = this.eventHandlers.get(route);
      if (list === undefined) {
        this.eventHandlers.set(route, [handler]);
        this.listByHead.set(callback, this.eventHandlers.get(route)!);
      } else {
        list.push(handler);
      }
    }
    this.version++;
    this.matcher = undefined;
    this.routes.clear();
  }

  /** Whether `route` has an event handler already. */
  hasEvent(route: string): boolean {
    return this.eventHandlers.has(route);
  }

  resolve(pattern: string): Route {
    const known = this.routes.get(pattern);
    if (known !== undefined) {
      return known;
    }
    const route = this.wildcards ? this.resolveWildcards(pattern) : this.resolveExact(pattern);
    if (this.lookup.messageHandlers.has(pattern)) {
      this.routes.set(pattern, route);
    }
    return route;
  }

  /** The limits of all handlers that have one. */
  handlerLimits(): readonly HandlerLimit[] {
    return this.allLimits;
  }

  private resolveExact(pattern: string): Route {
    const handler = this.lookup.getHandlerByPattern(pattern);
    return handler
      ? this.routeFor(pattern, this.eventsOf(handler, pattern), this.handlerOf(handler))
      : this.routeFor(pattern, [], undefined);
  }

  private resolveWildcards(pattern: string): Route {
    this.matcher ??= compile([...this.lookup.messageHandlers.keys()].filter((route) => typeof route === 'string'));
    const matches = this.matcher.match(this.lookup.routeOf(pattern));
    if (matches.length === 0) {
      return this.resolveExact(pattern); // a subclass may know more
    }
    const events: RegisteredHandler[] = [];
    let request: RegisteredHandler | undefined;
    for (const route of matches) {
      const handler = this.lookup.messageHandlers.get(route)!;
      events.push(...(this.eventHandlers.get(route) ?? [this.handlerOf(handler)]));
      // One handler answers: the equal pattern before wildcards, a message handler before an event handler.
      if (request === undefined || (request.callback.isEventHandler && !handler.isEventHandler)) {
        request = this.handlerOf(handler);
      }
    }
    return this.routeFor(pattern, events, request);
  }

  /** As with Nest's TCP transport, an event also reaches a message handler if its pattern has no other. */
  private eventsOf(handler: MessageHandler, pattern: string): readonly RegisteredHandler[] {
    const list = this.eventHandlers.get(this.lookup.routeOf(pattern));
    if (list !== undefined && (list[0]!.callback === handler || !handler.isEventHandler)) {
      return list;
    }
    // An own getHandlerByPattern led to another route.
    return this.listByHead.get(handler) ?? [this.handlerOf(handler)];
  }

  private handlerOf(callback: MessageHandler): RegisteredHandler {
    return this.registered.get(callback) ?? this.register('(of an own getHandlerByPattern)', callback, callback.extras ?? {});
  }

  private routeFor(pattern: string, events: readonly RegisteredHandler[], request: RegisteredHandler | undefined): Route {
    const inPlace = events.filter((handler) => handler.zeroCopy).length;
    const zeroCopy = inPlace === 0 ? 'none' : inPlace === events.length ? 'all' : 'some';
    return { pattern, events, request, zeroCopy, version: this.version };
  }

  private register(route: string, callback: MessageHandler, extras: Record<string, unknown>): RegisteredHandler {
    const { ack: ackExtra, concurrency } = extras;
    if (ackExtra !== undefined && !ACK_MODES.includes(ackExtra as RsmAckMode)) {
      const allowed = ACK_MODES.map((mode) => `'${mode}'`).join(', ');
      throw new RsmError(
        'RSM_INVALID_OPTIONS',
        `Handler of '${route}': its extra ack is ${JSON.stringify(ackExtra)}; allowed: ${allowed}.`,
      );
    }
    const ack = (ackExtra as RsmAckMode | undefined) ?? this.defaultAck;
    const handler: RegisteredHandler = {
      callback,
      ack,
      zeroCopy: this.zeroCopyOf(route, extras['zeroCopy'], ack),
      limit: concurrency === undefined ? undefined : this.limitOf(route, extras, concurrency),
    };
    this.zeroCopy ||= handler.zeroCopy;
    this.registered.set(callback, handler);
    return handler;
  }

  /** In mode 'on-receipt' the partitions are the sender's again before the handler runs. */
  private zeroCopyOf(route: string, extra: unknown, ack: RsmAckMode): boolean {
    if (extra !== undefined && typeof extra !== 'boolean') {
      const shown = JSON.stringify(extra);
      throw new RsmError('RSM_INVALID_OPTIONS', `Handler of '${route}': its extra zeroCopy is ${shown}; allowed: true and false.`);
    }
    if (extra === true && ack === 'on-receipt') {
      throw new RsmError(
        'RSM_INVALID_OPTIONS',
        `Handler of '${route}': zeroCopy cannot go with ack 'on-receipt', which releases the memory before the handler runs. Leave one of them out.`,
      );
    }
    return (extra ?? this.defaultZeroCopy) && ack !== 'on-receipt';
  }

  /** Nest registers a method once for each of its patterns, with the same extras object: they share one limit. */
  private limitOf(route: string, extras: object, concurrency: unknown): HandlerLimit {
    const most = checkInteger(`concurrency (extra of the handler of '${route}')`, concurrency, 1, MOST_HANDLERS, 1);
    let limit = this.limits.get(extras);
    if (limit === undefined) {
      limit = new HandlerLimit(most);
      this.limits.set(extras, limit);
      this.allLimits.push(limit);
    }
    return limit;
  }
}
