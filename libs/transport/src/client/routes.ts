import { MAX_ROUTE_BYTES, MAX_ROUTES, MAX_ROUTES_BYTES } from '../server/route-limits.js';

/** The ids a client gives to its patterns. They are its own for as long as it lives; each connection learns of one before its first use. */
export class RouteIds {
  private readonly ids = new Map<string, number>();
  private readonly patterns: string[] = [''];
  private bytes = 0;

  /** The pattern's id, from 1; 0 where it must travel inline: it is long, or there are too many. */
  idOf(pattern: string): number {
    return this.ids.get(pattern) ?? this.add(pattern);
  }

  patternOf(id: number): string {
    return this.patterns[id]!;
  }

  private add(pattern: string): number {
    const bytes = Buffer.byteLength(pattern);
    if (bytes > MAX_ROUTE_BYTES || this.ids.size >= MAX_ROUTES || this.bytes + bytes > MAX_ROUTES_BYTES) {
      return 0;
    }
    this.bytes += bytes;
    const id = this.patterns.push(pattern) - 1;
    this.ids.set(pattern, id);
    return id;
  }
}
