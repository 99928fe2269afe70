import { setTimeout as sleep } from 'node:timers/promises';
import { ConflictException, Inject, Injectable } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { firstValueFrom, lastValueFrom, merge, toArray } from 'rxjs';
import type { Flight } from '../flights/flight.dto.js';
import { DELAYS, LOOKUPS } from '../transport.js';
import { turn } from './back-pressure.js';
import { type Expectation, expectAlso, numbered, type NumberedFlight } from './numbered-flight.js';

/** Flights held in memory at once: one row group of the file. */
const LOAD = 272_727;
/** Emits that are under way at once. */
const WAVE = 256;
/** The consumer is given up when it has counted nothing new for so long (ms). */
const PATIENCE = 10_000;

/** What the consumer says it has received. */
export interface Received {
  flights: number;
  totalDelay: number;
  checksum: number;
  missing: number;
  firstMissing: number[];
  doubled: number;
  firstDoubled: number[];
}

export interface ReplayResult {
  sent: Expectation;
  received: Received;
  /** From the first emit until the consumer has counted every flight; loading is not in it. */
  milliseconds: number;
  eventsPerSecond: number;
}

export interface ReplayProgress {
  phase: 'idle' | 'loading' | 'sending' | 'counting';
  sent: number;
  count: number;
}

/** Sends flights of the data set as events, as if they departed now. */
@Injectable()
export class ReplayService {
  private running: ReplayProgress = { phase: 'idle', sent: 0, count: 0 };

  constructor(
    @Inject(DELAYS) private readonly delays: ClientProxy,
    @Inject(LOOKUPS) private readonly lookups: ClientProxy,
  ) {}

  progress(): ReplayProgress {
    return this.running;
  }

  /** Resets the consumer and replays the first `count` flights to it. */
  async replay(count: number): Promise<ReplayResult> {
    if (this.running.phase !== 'idle') {
      throw new ConflictException('a replay is running already');
    }
    this.running = { phase: 'loading', sent: 0, count };
    try {
      return await this.run(count);
    } finally {
      this.running.phase = 'idle';
    }
  }

  private async run(count: number): Promise<ReplayResult> {
    await firstValueFrom(this.delays.send('delays.reset', {}));
    let sent: Expectation = { flights: 0, totalDelay: 0, checksum: 0 };
    let milliseconds = 0;
    while (sent.flights < count) {
      this.running.phase = 'loading';
      const flights = await this.load(sent.flights, Math.min(LOAD, count - sent.flights));
      if (flights.length === 0) {
        break; // the data set has no more
      }
      sent = expectAlso(sent, flights);
      const began = performance.now();
      await this.send(flights);
      await this.untilCounted(sent.flights);
      milliseconds += performance.now() - began;
    }
    const received = await firstValueFrom(this.delays.send<Received>('delays.totals', { expected: sent.flights }));
    return { sent, received, milliseconds, eventsPerSecond: (sent.flights / milliseconds) * 1_000 };
  }

  private async load(first: number, limit: number): Promise<NumberedFlight[]> {
    const chunks = this.lookups.send<Flight[]>('flights.query', { first, limit, chunk: 1_000 });
    return numbered((await lastValueFrom(chunks.pipe(toArray()))).flat(), first);
  }

  /** Emits wave after wave; a wave begins when every event of the one before is on its way. */
  private async send(flights: NumberedFlight[]): Promise<void> {
    this.running.phase = 'sending';
    for (let first = 0; first < flights.length; first += WAVE) {
      const wave = flights.slice(first, first + WAVE).map((flight) => this.delays.emit('flight.departed', flight));
      await lastValueFrom(merge(...wave), { defaultValue: undefined });
      await turn(this.delays);
      this.running.sent += wave.length;
    }
  }

  /** Returns as well when the consumer stands still: its totals then show what is missing. */
  private async untilCounted(flights: number): Promise<void> {
    this.running.phase = 'counting';
    let counted = -1;
    let countedAt = performance.now();
    while (performance.now() - countedAt < PATIENCE) {
      const totals = await firstValueFrom(this.delays.send<Received>('delays.totals', {}));
      if (totals.flights >= flights) {
        return;
      }
      if (totals.flights !== counted) {
        counted = totals.flights;
        countedAt = performance.now();
      }
      await sleep(2);
    }
  }
}
