import { RsmError } from './errors.js';
import type { Lane } from './lanes.js';
import { detach, type NativeEndpoint } from './native.js';
import type { Connection, Loan, SendWatcher } from './types.js';

/** What a loan asks of its connection. */
export interface Lender extends Connection {
  /** Commits a loan in place; 0 where that cannot be now. Throws RSM_CONNECTION_LOST. */
  commitLoan(loan: number, length: number, lane: Lane, watcher: SendWatcher | undefined, attempt: number): number;
}

/** A Buffer over partitions of the receiver, or (number 0) a private one for what partitions cannot be lent for. */
export class PartitionLoan implements Loan {
  open = true;

  constructor(
    readonly connection: Lender,
    readonly buffer: Buffer,
    private readonly number: number,
    private readonly native: NativeEndpoint,
  ) {}

  get inPlace(): boolean {
    return this.number > 0;
  }

  send(lane: Lane, length = this.buffer.length, watcher?: SendWatcher, attempt = 0): number {
    this.check(length);
    const sequence = this.number > 0 ? this.connection.commitLoan(this.number, length, lane, watcher, attempt) : 0;
    if (sequence > 0) {
      this.open = false;
      detach(this.buffer);
      return sequence;
    }
    const bytes = length === this.buffer.length ? this.buffer : this.buffer.subarray(0, length);
    const copied = this.connection.send(lane, 0, bytes, watcher, attempt);
    this.giveBack();
    return copied;
  }

  giveBack(): void {
    if (!this.open) return;
    this.open = false;
    detach(this.buffer);
    if (this.number > 0) this.native.returnLoan(this.number);
  }

  private check(length: number): void {
    if (!this.open) {
      throw new RsmError('RSM_INVALID_OPTIONS', 'This loan has been sent or given back already. Ask for a new one with loan().');
    }
    if (!(Number.isInteger(length) && length >= 0 && length <= this.buffer.length)) {
      throw new RsmError(
        'RSM_INVALID_OPTIONS',
        `${String(length)} bytes of a loan of ${this.buffer.length} cannot be sent: give a whole number from 0 to that, or ask for a larger loan.`,
      );
    }
  }
}

/** Somebody waits for partitions. */
export interface LoanRequest {
  readonly size: number;
  /** Messages that wait before it. */
  ahead: number;
  resolve(loan: Loan): void;
  reject(error: unknown): void;
}
