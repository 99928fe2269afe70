import Denque from 'denque';
import type { QueueBudget } from './queue-budget.js';
import type { LoanRequest } from './loan.js';
import type { QueuedMessage } from './types.js';

/** The messages of one connection that wait for free partitions, in order, counted in a budget. */
export class SendQueue {
  /** Bytes that wait. */
  bytes = 0;
  private readonly messages = new Denque<QueuedMessage>();
  private loans: LoanRequest[] = [];

  constructor(readonly budget: QueueBudget) {}

  get length(): number {
    return this.messages.length;
  }

  /** Neither a message nor anybody who wants a loan waits. */
  get idle(): boolean {
    return this.messages.length === 0 && this.loans.length === 0;
  }

  /** Lets a loan wait behind what waits now. */
  pushLoan(request: LoanRequest): void {
    this.loans.push(request);
  }

  /** The loan whose turn it is. */
  firstLoan(): LoanRequest | undefined {
    const first = this.loans[0];
    return first !== undefined && first.ahead === 0 ? first : undefined;
  }

  shiftLoan(): void {
    this.loans.shift();
  }

  /** Takes out everybody who waits for a loan. */
  takeLoans(): LoanRequest[] {
    const all = this.loans;
    this.loans = [];
    return all;
  }

  /** Whether one more message of that many bytes may wait; if so, it is counted and must be pushed or unshifted next. */
  reserve(bytes: number): boolean {
    if (!this.budget.take(bytes)) return false;
    this.bytes += bytes;
    return true;
  }

  /** As reserve(), for a message that was accepted earlier. */
  reserveBeyond(bytes: number): void {
    this.budget.force(bytes);
    this.bytes += bytes;
  }

  push(message: QueuedMessage): void {
    this.messages.push(message);
  }

  unshift(message: QueuedMessage): void {
    this.messages.unshift(message);
    for (const loan of this.loans) loan.ahead++;
  }

  first(): QueuedMessage | undefined {
    return this.messages.peekFront();
  }

  /** Takes the first message out and gives its budget back. */
  shift(): void {
    const message = this.messages.shift();
    if (message) this.giveBack(message);
    for (const loan of this.loans) if (loan.ahead > 0) loan.ahead--;
  }

  /** Takes everything out, in order. */
  takeAll(): QueuedMessage[] {
    const all = this.messages.toArray();
    this.messages.clear();
    for (const loan of this.loans) loan.ahead = 0;
    for (const message of all) this.giveBack(message);
    return all;
  }

  private giveBack(message: QueuedMessage): void {
    this.bytes -= message.bytes.length;
    this.budget.give(message.bytes.length);
  }
}
