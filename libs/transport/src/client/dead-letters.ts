import type { LoggerService } from '@nestjs/common';
import { decode } from '../codec/index.js';
import { FrameReader } from '../frame/index.js';
import type { ResolvedClientOptions, RsmDeadLetter } from '../options/index.js';
import type { RsmClientCounters } from './client-counters.js';
import type { RouteIds } from './routes.js';

/** Events that were given up: kept up to `maxDeadLetters`, told to `onDeadLetter`. */
export class DeadLetters {
  private kept: RsmDeadLetter[] = [];
  private readonly reader = new FrameReader();

  constructor(
    private readonly options: ResolvedClientOptions,
    private readonly routes: RouteIds,
    private readonly counters: RsmClientCounters,
    private readonly logger: LoggerService,
    private readonly announce: (letter: RsmDeadLetter) => void,
  ) {}

  /** Oldest first. */
  list(): readonly RsmDeadLetter[] {
    return [...this.kept];
  }

  /** `bytes`: the whole message, private; `attempts`: deliveries that had begun. */
  add(bytes: Buffer, attempts: number, reason: string, instance: string | undefined): void {
    const { reader, options, counters } = this;
    counters.deadLetters++;
    reader.read(bytes, 0, bytes.length);
    const letter: RsmDeadLetter = {
      pattern: reader.pattern ?? this.routes.patternOf(reader.routeId),
      data: decode(reader.format, bytes, reader.payloadStart, reader.payloadEnd, true),
      headers: reader.headers ?? {},
      attempts,
      reason,
      ...(instance === undefined ? {} : { instance }),
    };
    if (options.maxDeadLetters > 0) {
      this.kept.push(letter);
      if (this.kept.length > options.maxDeadLetters) {
        this.kept.shift();
      }
    }
    this.logger.error(
      `Dead letter, an event '${letter.pattern}' after ${attempts} ${attempts === 1 ? 'delivery' : 'deliveries'}: ${reason}`,
    );
    this.tell(letter);
  }

  private tell(letter: RsmDeadLetter): void {
    const failed = (error: unknown): void =>
      this.logger.error(`onDeadLetter failed: ${error instanceof Error ? error.message : String(error)}`);
    try {
      Promise.resolve(this.options.onDeadLetter?.(letter)).catch(failed);
    } catch (error) {
      failed(error);
    }
    try {
      this.announce(letter);
    } catch (error) {
      this.logger.error(`A listener of 'deadLetter' failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
