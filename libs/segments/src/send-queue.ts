import Denque from 'denque';
import type { QueueBudget } from './queue-budget.js';
import type { QueuedMessage } from './types.js';

/** The messages of one connection that wait for free partitions, in order, counted in a budget. */
export class SendQueue {
  /** Bytes that wait. */
  bytes = 0;
  private readonly messages = new Denque<QueuedMessage>();

  constructor(readonly budget: QueueBudget) {}

  get length(): number {
    return this.messages.length;
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
  }

  first(): QueuedMessage | undefined {
    return this.messages.peekFront();
  }

  /** Takes the first message out and gives its budget back. */
  shift(): void {
    const message = this.messages.shift();
    if (message) this.giveBack(message);
  }

  /** Takes everything out, in order. */
  takeAll(): QueuedMessage[] {
    const all = this.messages.toArray();
    this.messages.clear();
    for (const message of all) this.giveBack(message);
    return all;
  }

  private giveBack(message: QueuedMessage): void {
    this.bytes -= message.bytes.length;
    this.budget.give(message.bytes.length);
  }
}
