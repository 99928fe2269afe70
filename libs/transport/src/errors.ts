import { RpcException } from '@nestjs/microservices';
import { RsmError } from '@nestjs-rsm/segments';

export { RsmError } from '@nestjs-rsm/segments';
export type { RsmErrorCode } from '@nestjs-rsm/segments';

const RETRIABLE_BRAND = Symbol.for('nestjs-rsm.retriable');
const LONGEST_DELAY = 2 ** 31 - 1;

export interface RsmRetriableOptions {
  /** Milliseconds that the server keeps the event before it gives it back, 0 to 2,147,483,647; the client's `retryDelay` follows. Default: 0. */
  delay?: number;
  /** What went wrong below. */
  cause?: unknown;
}

/**
 * Thrown by an event handler to have the event delivered again, up to the client's `maxAttempts`; after that it is a dead letter.
 * Any other error is logged and counted and the event is finished. An RpcException, because Nest's exception filter hides all others from the transport.
 */
export class RsmRetriableException extends RpcException {
  override readonly name = 'RsmRetriableException';
  readonly delay: number | undefined;

  /** Throws RSM_INVALID_OPTIONS where `delay` is out of range. */
  constructor(message = 'The event could not be handled now.', options: RsmRetriableOptions = {}) {
    super(message);
    const { delay, cause } = options;
    if (cause !== undefined) {
      Object.defineProperty(this, 'cause', { value: cause, writable: true, configurable: true });
    }
    if (delay !== undefined && !(typeof delay === 'number' && delay >= 0 && delay <= LONGEST_DELAY)) {
      throw new RsmError(
        'RSM_INVALID_OPTIONS',
        `RsmRetriableException: delay is ${String(delay)}; allowed are 0 to ${LONGEST_DELAY} milliseconds.`,
      );
    }
    this.delay = delay;
  }

  /** What Nest's filter passes on. */
  override getError(): object {
    return this;
  }

  /** What a client is told where it was thrown by the handler of a request, to which it means nothing else. */
  toJSON(): object {
    return { status: 'error', message: this.message };
  }
}
// By brand and not by class: an ESM and a CommonJS copy of this package may meet in one process.
Object.defineProperty(RsmRetriableException.prototype, RETRIABLE_BRAND, { value: true });

export function isRetriable(error: unknown): error is RsmRetriableException {
  return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[RETRIABLE_BRAND] === true;
}

/** For bytes of a peer that break the rules: the connection they came over has to end. */
export function corrupt(what: string, cause?: unknown): RsmError {
  return new RsmError('RSM_CORRUPT_SEGMENT', `The peer sent a message that breaks the protocol: ${what}. Its connection has to end.`, {
    cause,
  });
}
