import { type Lane, type Loan, RsmError, type SendWatcher } from '@nestjs-rsm/segments';
import { LOAN_ROOM, ROOM_OFFSET, ROOM_UNIT } from '../frame/index.js';

/**
 * Memory of a receiver, lent by `RsmClient.loan()`: fill `buffer`, then give the loan to `emit` or `send` of its client as the data (with a record, if it needs options), or
 * call `giveBack()`. The handler is given a Buffer.
 */
export class RsmLoan {
  /**
   * To be filled; what it holds at first is not defined. It has 0 bytes from the moment the loan is sent or given back, and so has every view on it: nothing
   * may be writing to it then (a `read` into it must have ended).
   */
  readonly buffer: Buffer;
  private length: number;

  /** @internal */
  constructor(private readonly loan: Loan) {
    this.buffer = loan.buffer.subarray(LOAN_ROOM);
    this.length = this.buffer.length;
  }

  /** It was sent or given back. */
  get ended(): boolean {
    return !this.loan.open;
  }

  /** Only the first `length` bytes are sent, 0 to `buffer.length`. Throws RSM_INVALID_OPTIONS. */
  shrink(length: number): this {
    this.checkOpen();
    if (!(Number.isInteger(length) && length >= 0 && length <= this.buffer.length)) {
      throw new RsmError(
        'RSM_INVALID_OPTIONS',
        `RsmLoan.shrink: ${String(length)}; allowed: whole numbers from 0 to ${this.buffer.length}.`,
      );
    }
    this.length = length;
    return this;
  }

  /** Ends the loan without sending it. Idempotent. */
  giveBack(): void {
    this.loan.giveBack();
  }

  /** @internal What is to be sent. Throws RSM_INVALID_OPTIONS for a loan that has ended. */
  payload(): Buffer {
    this.checkOpen();
    return this.buffer.subarray(0, this.length);
  }

  /** @internal */
  get connection(): Loan['connection'] {
    return this.loan.connection;
  }

  /** @internal Sends it over its own connection, behind this header. Undefined: there is no room for the header, and nothing was done. */
  sendInPlace(lane: Lane, header: Buffer, headerLength: number, watcher: SendWatcher): number | undefined {
    const { buffer } = this.loan;
    if (headerLength > LOAN_ROOM) {
      return undefined;
    }
    header.copy(buffer, 0, 0, headerLength);
    buffer[ROOM_OFFSET] = LOAN_ROOM / ROOM_UNIT;
    return this.loan.send(lane, LOAN_ROOM + this.length, watcher, 0);
  }

  /** It has no JSON: only its own client's emit and send know it. */
  toJSON(): never {
    throw new RsmError('RSM_INVALID_OPTIONS', 'A loan is sent by itself, as the whole data of emit or send; it cannot be part of a value.');
  }

  private checkOpen(): void {
    if (!this.loan.open) {
      throw new RsmError('RSM_INVALID_OPTIONS', 'This loan has been sent or given back already. Ask for a new one with RsmClient.loan().');
    }
  }
}
