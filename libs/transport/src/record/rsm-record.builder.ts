import { RsmError } from '@nestjs-rsm/segments';
import { ROUTINGS, RsmRecord, type RsmRecordOptions, type RsmRouting } from './rsm-record.js';

const LONGEST_TIMEOUT = 2 ** 31 - 1;
const LONGEST_KEY = 256;

/**
 * Builds a message with options of its own: `client.send(pattern, new RsmRecordBuilder(data).setTimeout(500).build())`. Each setter throws RSM_INVALID_OPTIONS
 * for values it cannot take. A builder can be used again after `build()`.
 */
export class RsmRecordBuilder<TData = unknown> {
  private readonly options: { -readonly [K in keyof RsmRecordOptions]: RsmRecordOptions[K] } = {};

  constructor(private data?: TData) {}

  setData(data: TData): this {
    this.data = data;
    return this;
  }

  /** Found by the handler with `context.getHeaders()`. Values that JSON can carry; headers and pattern together at most 60 kB. */
  setHeaders(headers: Record<string, unknown>): this {
    if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
      throw refused('setHeaders', headers, 'an object of names and values');
    }
    this.options.headers = { ...headers };
    return this;
  }

  /** Milliseconds, 1 to 2,147,483,647, until the reply fails with RSM_TIMEOUT. A handler that had not started by then does not start; one that runs is told by `context.signal`. */
  setTimeout(milliseconds: number): this {
    if (!(typeof milliseconds === 'number' && milliseconds >= 1 && milliseconds <= LONGEST_TIMEOUT)) {
      throw refused('setTimeout', milliseconds, `1 to ${LONGEST_TIMEOUT} milliseconds`);
    }
    this.options.timeout = milliseconds;
    return this;
  }

  /** For `emit`: completes when the event was handled, not already when it was committed. */
  setConfirm(confirm = true): this {
    this.options.confirm = checkedBoolean('setConfirm', confirm);
    return this;
  }

  /** For `send`: the request may run twice, so it goes to another instance when the one that had started it dies. */
  setIdempotent(idempotent = true): this {
    this.options.idempotent = checkedBoolean('setIdempotent', idempotent);
    return this;
  }

  /** Messages of one key (1 to 256 characters) go to one instance, in order, while that instance lives; so for the 65,536 keys a client used last. */
  setKey(key: string): this {
    if (typeof key !== 'string' || key.length === 0 || key.length > LONGEST_KEY) {
      throw refused('setKey', key, `a string of 1 to ${LONGEST_KEY} characters`);
    }
    this.options.key = key;
    return this;
  }

  /** For `emit`: in place of the client's `routing`. */
  setRouting(routing: RsmRouting): this {
    if (!ROUTINGS.includes(routing)) {
      throw refused('setRouting', routing, ROUTINGS.map((known) => `'${known}'`).join(' and '));
    }
    this.options.routing = routing;
    return this;
  }

  build(): RsmRecord<TData> {
    return new RsmRecord(this.data as TData, Object.freeze({ ...this.options }));
  }
}

function checkedBoolean(setter: string, value: unknown): boolean {
  if (typeof value !== 'boolean') {
    throw refused(setter, value, 'true and false');
  }
  return value;
}

function refused(setter: string, value: unknown, allowed: string): RsmError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value);
  return new RsmError('RSM_INVALID_OPTIONS', `RsmRecordBuilder.${setter}: ${shown} was given; allowed: ${allowed}.`);
}
