import { Inject, Injectable } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { build } from 'hdr-histogram-js';
import { firstValueFrom } from 'rxjs';
import { LOOKUPS } from '../transport.js';

const CODES = ['ATL', 'ORD', 'DFW', 'LAX', 'PHX', 'DEN', 'DTW', 'IAH', 'MSP', 'SFO'];
const WARM_UP = 2_000;

/** All in microseconds. */
export interface Durations {
  count: number;
  p50: number;
  p90: number;
  p99: number;
}

export interface MapFetch {
  bytes: number;
  object: Durations;
  buffer: Durations;
}

/** Times requests as a caller sees them, one at a time. */
@Injectable()
export class MeasureService {
  constructor(@Inject(LOOKUPS) private readonly lookups: ClientProxy) {}

  /** Looks airports up. */
  async roundTrips(count: number): Promise<Durations> {
    const lookUp = (index: number) => firstValueFrom(this.lookups.send('airport.byCode', CODES[index % CODES.length]));
    await time(WARM_UP, lookUp);
    return time(count, lookUp);
  }

  /** Fetches the map, parsed and as bytes. */
  async map(times: number): Promise<MapFetch> {
    const fetchObject = () => firstValueFrom(this.lookups.send<object>('map.us', {}));
    const fetchBuffer = () => firstValueFrom(this.lookups.send<Buffer>('map.raw', {}));
    const bytes = Buffer.from(await fetchBuffer()).length;
    await time(2, fetchObject);
    await time(2, fetchBuffer);
    return { bytes, object: await time(times, fetchObject), buffer: await time(times, fetchBuffer) };
  }
}

async function time(count: number, request: (index: number) => Promise<unknown>): Promise<Durations> {
  const nanoseconds = build({ lowestDiscernibleValue: 1, highestTrackableValue: 60e9, numberOfSignificantValueDigits: 3 });
  for (let index = 0; index < count; index++) {
    const began = process.hrtime.bigint();
    await request(index);
    nanoseconds.recordValue(Number(process.hrtime.bigint() - began));
  }
  const percentile = (percent: number) => nanoseconds.getValueAtPercentile(percent) / 1_000;
  return { count, p50: percentile(50), p90: percentile(90), p99: percentile(99) };
}
