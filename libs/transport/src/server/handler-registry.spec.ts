import { describe, expect, it } from '@jest/globals';
import type { MessageHandler } from '@nestjs/microservices';
import { RsmServer } from './rsm.server.js';
import { HandlerRegistry, type PatternLookup } from './handler-registry.js';

const SERVICE = { service: 'registry-spec' };

type Add = (pattern: unknown, callback: MessageHandler, isEvent?: boolean, extras?: Record<string, unknown>) => void;

/** Nest's own look-up, by way of a server that never listens. */
function registryOf(server: RsmServer, wildcards = false, zeroCopy = false): HandlerRegistry & { addTo: Add } {
  const nest = server as unknown as { getRouteFromPattern(pattern: string): string };
  const lookup: PatternLookup = {
    getHandlerByPattern: (pattern) => server.getHandlerByPattern(pattern),
    routeOf: (pattern) => nest.getRouteFromPattern(pattern),
    messageHandlers: server.getHandlers(),
  };
  const registry = new HandlerRegistry(lookup, 'on-completion', wildcards, zeroCopy);
  const addTo: Add = (pattern, callback, isEvent = false, extras = {}) => {
    const route = (server as unknown as { normalizePattern(pattern: unknown): string }).normalizePattern(pattern);
    registry.add(route, callback, isEvent, extras);
    RsmServer.prototype.addHandler.call(server, pattern, callback, isEvent, extras);
  };
  return Object.assign(registry, { addTo });
}

const handler = (): MessageHandler => () => Promise.resolve();

describe('HandlerRegistry', () => {
  it('leads an event to all its handlers, in the order they were registered, and the first one into the map of Nest', () => {
    const server = new RsmServer(SERVICE);
    const registry = registryOf(server);
    const handlers = [handler(), handler(), handler()];
    handlers.forEach((callback) => registry.addTo('e', callback, true));
    expect(registry.resolve('e').events.map(({ callback }) => callback)).toEqual(handlers);
    expect(server.getHandlers().get('e')).toBe(handlers[0]);
    expect(handlers[0]!.next).toBeUndefined();
  });

  it('finds object patterns whatever the order of their keys, and nothing for unknown ones', () => {
    const server = new RsmServer(SERVICE);
    const registry = registryOf(server);
    const callback = handler();
    registry.addTo({ b: 2, a: 'x' }, callback);
    expect(registry.resolve('{"b":2,"a":"x"}').request?.callback).toBe(callback);
    expect(registry.resolve('{"a":"x","b":2}').request?.callback).toBe(callback);
    expect(registry.resolve('other')).toMatchObject({ events: [], request: undefined });
  });

  it('sends requests to the message handler and events to the event handlers where both have a pattern', () => {
    const server = new RsmServer(SERVICE);
    const registry = registryOf(server);
    const [event, request] = [handler(), handler()];
    registry.addTo('both', event, true);
    registry.addTo('both', request);
    const route = registry.resolve('both');
    expect(route.events.map(({ callback }) => callback)).toEqual([event]);
    expect(route.request?.callback).toBe(request);
  });

  it('runs all matches of wildcards, the equal pattern first', () => {
    const server = new RsmServer({ ...SERVICE, wildcards: true });
    const registry = registryOf(server, true);
    const [one, rest, exact, other] = [handler(), handler(), handler(), handler()];
    registry.addTo('a.*', one, true);
    registry.addTo('a.>', rest, true);
    registry.addTo('a.b', exact, true);
    registry.addTo('b.*', other, true);
    expect(registry.resolve('a.b').events.map(({ callback }) => callback)).toEqual([exact, one, rest]);
    expect(registry.resolve('a.b.c').events.map(({ callback }) => callback)).toEqual([rest]);
  });

  it('gives the patterns of one method one limit, since they share their extras', () => {
    const server = new RsmServer(SERVICE);
    const registry = registryOf(server);
    const extras = { concurrency: 1, ack: 'manual' };
    registry.addTo('x', handler(), true, extras);
    registry.addTo('y', handler(), true, extras);
    const [x, y] = [registry.resolve('x').events[0]!, registry.resolve('y').events[0]!];
    expect(x.limit).toBeDefined();
    expect(x.limit).toBe(y.limit);
    expect(x.ack).toBe('manual');
  });

  it.each([
    [{ concurrency: 0 }, /concurrency.*'x'.* is 0/],
    [{ concurrency: 1.5 }, /concurrency.*1\.5/],
    [{ zeroCopy: 'yes' }, /'x'.*zeroCopy is "yes"/],
    [{ zeroCopy: true, ack: 'on-receipt' }, /'x'.*zeroCopy.*on-receipt/],
    [{ ack: 'later' }, /'x'.*"later".*'on-completion', 'on-receipt', 'manual'/],
  ])('refuses the extras %j', (extras, message) => {
    const server = new RsmServer(SERVICE);
    expect(() => server.addHandler('x', handler(), true, extras)).toThrow(message);
  });

  it('knows which handlers of an event are given their payload in place; an extra overrides the server, and on-receipt excludes it', () => {
    const server = new RsmServer(SERVICE);
    const registry = registryOf(server);
    registry.addTo('all', handler(), true, { zeroCopy: true });
    registry.addTo('some', handler(), true, { zeroCopy: true });
    registry.addTo('some', handler(), true);
    registry.addTo('none', handler(), true, { zeroCopy: false });
    expect(['all', 'some', 'none'].map((pattern) => registry.resolve(pattern).zeroCopy)).toEqual(['all', 'some', 'none']);
    const everywhere = registryOf(new RsmServer(SERVICE), false, true);
    expect(everywhere.zeroCopy).toBe(false);
    everywhere.addTo('plain', handler(), true);
    everywhere.addTo('copied', handler(), true, { zeroCopy: false });
    everywhere.addTo('at once', handler(), true, { ack: 'on-receipt' });
    expect(['plain', 'copied', 'at once'].map((pattern) => everywhere.resolve(pattern).zeroCopy)).toEqual(['all', 'none', 'none']);
    expect(everywhere.zeroCopy).toBe(true);
  });

  it('knows handlers that are added later', () => {
    const server = new RsmServer(SERVICE);
    const registry = registryOf(server);
    const before = registry.resolve('late');
    registry.addTo('late', handler(), true);
    expect(before.version).not.toBe(registry.version);
    expect(registry.resolve('late').events).toHaveLength(1);
  });
});
