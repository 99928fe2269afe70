import { describe, expect, it } from '@jest/globals';
import { MAX_ROUTE_BYTES, MAX_ROUTES, MAX_ROUTES_BYTES } from '../server/route-limits.js';
import { RouteIds } from './routes.js';

describe('RouteIds', () => {
  it('gives each pattern one id, from 1', () => {
    const routes = new RouteIds();
    expect([routes.idOf('a'), routes.idOf('b'), routes.idOf('a')]).toEqual([1, 2, 1]);
    expect([routes.patternOf(1), routes.patternOf(2)]).toEqual(['a', 'b']);
  });

  it('leaves long patterns inline, counted in bytes', () => {
    const routes = new RouteIds();
    expect(routes.idOf('x'.repeat(MAX_ROUTE_BYTES))).toBe(1);
    expect(routes.idOf('x'.repeat(MAX_ROUTE_BYTES + 1))).toBe(0);
    expect(routes.idOf('ä'.repeat(MAX_ROUTE_BYTES / 2 + 1))).toBe(0);
  });

  it('leaves the patterns beyond its bounds inline and keeps nothing of them', () => {
    const routes = new RouteIds();
    for (let i = 1; i <= MAX_ROUTES; i++) {
      expect(routes.idOf(`p${i}`)).toBe(i);
    }
    expect(routes.idOf('one more')).toBe(0);
    expect(routes.idOf('p1')).toBe(1);

    const long = new RouteIds();
    const most = MAX_ROUTES_BYTES / MAX_ROUTE_BYTES;
    for (let i = 0; i < most; i++) {
      expect(long.idOf(String(i).padEnd(MAX_ROUTE_BYTES, '.'))).toBe(i + 1);
    }
    expect(long.idOf('short')).toBe(0);
  });
});
