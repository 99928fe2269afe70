import { setTimeout as sleep } from 'node:timers/promises';
import { ConflictException, Inject, Injectable } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { catchError, EMPTY, firstValueFrom, lastValueFrom, merge, toArray } from 'rxjs';
import type { Flight } from '../flights/flight.dto.js';
import { DELAYS, LOOKUPS } from '../transport.js';
import { turn } from './back-pressure.js';
import { type Expectation, expectAlso, numbered, type NumberedFlight } from './numbered-flight.js';

/** Flights held in memory at once: one row group of the file. */
const LOAD = 272_727;
/** Emits that are under way at once. */
const WAVE = 256;
/** A consumer that answers and has counted nothing new for so long (ms) will count no more: the rest is lost. */
const PATIENCE = 5_000;
/** A consumer that does not answer for so long (ms) is given up. */
const SILENCE = 60_000;
/** Milliseconds before an emit that failed is repeated. */
const REPEAT_DELAY = 50;

/** What the consumer says it has received. */
export interface Received {
  flights: number;
  recovered: number;
  firstHandledAt?: number;
  totalDelay: number;
  checksum: number;
  missing: number;
  firstMissing: number[];
  doubled: number;
  firstDoubled: number[];
}

export interface ReplayResult {
  sent: Expectation;
  /** Emits that failed, and were repeated. */
  repeated: number;
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
  private repeated = 0;
  /** Where to wait, and for what. */
  private pause = pauseAfter(Infinity);

  constructor(
    @Inject(DELAYS) private readonly delays: ClientProxy,
    @Inject(LOOKUPS) private readonly lookups: ClientProxy,
  ) {}

  progress(): ReplayProgress {
    return this.running;
  }

  /** Resets the consumer and replays the first `count` flights to it; waits for resume() after `pause` of them. */
  async replay(count: number, pause = Infinity): Promise<ReplayResult> {
    if (this.running.phase !== 'idle') {
      throw new ConflictException('a replay is running already');
    }
    this.running = { phase: 'loading', sent: 0, count };
    this.repeated = 0;
    this.pause = pauseAfter(pause);
    try {
      return await this.run(count);
    } finally {
      this.running.phase = 'idle';
    }
  }

  /** The running replay goes on to its end, whether it waits already or not. */
  resume(): void {
    this.pause.end();
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
    return { sent, repeated: this.repeated, received, milliseconds, eventsPerSecond: (sent.flights / milliseconds) * 1_000 };
  }

  private async load(first: number, limit: number): Promise<NumberedFlight[]> {
    const chunks = this.lookups.send<Flight[]>('flights.query', { first, limit, chunk: 1_000 });
    return numbered((await lastValueFrom(chunks.pipe(toArray()))).flat(), first);
  }

  /** Emits wave after wave; a wave begins when every event of the one before is on its way. */
  private async send(flights: NumberedFlight[]): Promise<void> {
    this.running.phase = 'sending';
    let first = 0;
    while (first < flights.length) {
      const untilPause = this.pause.after - this.running.sent;
      if (untilPause <= 0) {
        await this.pause.ended;
      }
      const wave = flights.slice(first, first + (untilPause > 0 ? Math.min(WAVE, untilPause) : WAVE));
      await this.emit(wave);
      await turn(this.delays);
      first += wave.length;
      this.running.sent += wave.length;
    }
  }

  /** Emits that fail are repeated until they do not: what the sender knows of is not to be lost, over whatever transport. */
  private async emit(wave: NumberedFlight[]): Promise<void> {
    let left = wave;
    for (;;) {
      const failed: NumberedFlight[] = [];
      const emits = left.map((flight) => this.delays.emit('flight.departed', flight).pipe(catchError(() => (failed.push(flight), EMPTY))));
      await lastValueFrom(merge(...emits), { defaultValue: undefined });
      if (failed.length === 0) {
        return;
      }
      this.repeated += failed.length;
      left = failed;
      await sleep(REPEAT_DELAY);
    }
  }

  /** Returns as well when the consumer stands still: its totals then show what is missing. */
  private async untilCounted(flights: number): Promise<void> {
    this.running.phase = 'counting';
    let counted = -1;
    let countedAt = performance.now();
    let answeredAt = countedAt;
    for (;;) {
      try {
        const totals = await firstValueFrom(this.delays.send<Received>('delays.totals', {}));
        answeredAt = performance.now();
        if (totals.flights >= flights) {
          return;
        }
        if (totals.flights !== counted) {
          counted = totals.flights;
          countedAt = answeredAt;
        } else if (answeredAt - countedAt > PATIENCE) {
          return;
        }
      } catch (error) {
        // It may have died, and its successor be under way.
        if (performance.now() - answeredAt > SILENCE) {
          throw error;
        }
        countedAt = performance.now();
      }
      await sleep(2);
    }
  }
}

/** A place to wait at, passable once end() was called. */
function pauseAfter(after: number): { after: number; ended: Promise<void>; end: () => void } {
  let end = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  return { after, ended, end };
}
