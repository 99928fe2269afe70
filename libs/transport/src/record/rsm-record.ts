/** How `emit` spreads an event over the instances of a service: to one of them, or to each. */
export type RsmRouting = 'balance' | 'broadcast';
export const ROUTINGS: readonly RsmRouting[] = ['balance', 'broadcast'];

const RECORD_BRAND = Symbol.for('nestjs-rsm.record');

export interface RsmRecordOptions {
  readonly headers?: Readonly<Record<string, unknown>>;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly confirm?: boolean;
  readonly idempotent?: boolean;
  readonly key?: string;
  readonly routing?: RsmRouting;
}

/** A payload with options of its own, to be given to `send` or `emit`. Made by RsmRecordBuilder. */
export class RsmRecord<TData = unknown> {
  constructor(
    readonly data: TData,
    readonly options: RsmRecordOptions,
  ) {}
}
// By brand and not by class: an ESM and a CommonJS copy of this package may meet in one process. No payload decoded from bytes can carry a symbol.
Object.defineProperty(RsmRecord.prototype, RECORD_BRAND, { value: true });

export function isRsmRecord(value: unknown): value is RsmRecord {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[RECORD_BRAND] === true;
}
