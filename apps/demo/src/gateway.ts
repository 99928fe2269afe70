import { createHash } from 'node:crypto';
import type { AirportDelays, Durations, MapFetch, Query, Replay, ReplayProgress, SegmentGroup } from './results.js';

/** The gateway as an HTTP client sees it: everything here could be done with curl. */
export class Gateway {
  constructor(private readonly url: string) {}

  health(): Promise<object> {
    return this.json('GET', '/health');
  }

  /** With `pauseAfter`, the stream stops after so many flights until resumeReplay(). */
  replay(count: number, pauseAfter?: number): Promise<Replay> {
    return this.json('POST', `/replay?count=${count}${pauseAfter ? `&pauseAfter=${pauseAfter}` : ''}`);
  }

  async resumeReplay(): Promise<void> {
    await this.request('POST', '/replay/resume');
  }

  replayProgress(): Promise<ReplayProgress> {
    return this.json('GET', '/replay');
  }

  roundTrips(count: number): Promise<Durations> {
    return this.json('POST', `/measure/round-trips?count=${count}`);
  }

  mapFetch(count: number): Promise<MapFetch> {
    return this.json('POST', `/measure/map?count=${count}`);
  }

  top(n: number, minimumFlights: number): Promise<AirportDelays[]> {
    return this.json('GET', `/delays/top?n=${n}&minimumFlights=${minimumFlights}`);
  }

  /** SHA-256 of the map. */
  async mapHash(): Promise<string> {
    const response = await this.request('GET', '/map');
    return hash(new Uint8Array(await response.arrayBuffer()));
  }

  /** Streams flights; answers their number, the time it took, and the SHA-256 of all. */
  async query(origin: string, limit: number): Promise<Query & { hash: string }> {
    const began = performance.now();
    const response = await this.request('GET', `/flights?origin=${origin}&limit=${limit}`);
    const lines = await response.text();
    return { flights: lines.split('\n').length - 1, milliseconds: performance.now() - began, hash: hash(lines) };
  }

  /** The segment group table of the client that sends to the delays service. */
  async segmentGroups(): Promise<SegmentGroup[]> {
    const tables = await this.json<{ delays: { groups: SegmentGroup[] } }>('GET', '/tables');
    return tables.delays.groups;
  }

  private async json<T>(method: string, path: string): Promise<T> {
    const response = await this.request(method, path);
    return (await response.json()) as T;
  }

  private async request(method: string, path: string): Promise<Response> {
    const response = await fetch(this.url + path, { method });
    if (!response.ok) {
      throw new Error(`${method} ${path} was answered with ${response.status}: ${await response.text()}`);
    }
    return response;
  }
}

function hash(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
