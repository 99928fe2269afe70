import type { Lane, QueueBudget, SendWatcher } from '@nestjs-rsm/segments';
import type { Instance } from './instances.js';

/** A whole message that waits in the client for an instance or for its turn, counted in the client's budget. */
export interface HeldMessage {
  readonly lane: Lane;
  /** As on the wire, from 0. */
  readonly attempt: number;
  readonly bytes: Buffer;
  readonly watcher: TrackedMessage | undefined;
  /** It had begun when its receiver died: it goes alone. */
  readonly suspect: boolean;
  /** performance.now() after which it fails with RSM_UNREACHABLE; Infinity: it had been accepted and waits on. */
  readonly expires: number;
}

/** What the client knows of a message beside its bytes, as its watcher. */
export interface TrackedMessage extends SendWatcher {
  /** Messages of one key stay on one instance. */
  readonly key?: string | undefined;
  /** Nobody wants it any more (a cancelled request): it is not sent. */
  readonly abandoned?: boolean;
  /** It is given to an instance now; undefined: taken back from it. */
  sentTo?(instance: Instance | undefined): void;
  failed(error: unknown): void;
}

/** Messages in order, counted in a budget. */
export class HeldQueue {
  private messages: HeldMessage[] = [];
  private next = 0;

  constructor(private readonly budget: QueueBudget) {}

  get length(): number {
    return this.messages.length - this.next;
  }

  /** Counted by the caller with budget.take(). */
  pushCounted(message: HeldMessage): void {
    this.messages.push(message);
  }

  /** Accepted messages, put before all others in the order given; counted even beyond the limits. */
  unshiftAll(messages: readonly HeldMessage[]): void {
    messages.forEach((message) => this.budget.force(message.bytes.length));
    this.messages = [...messages, ...this.messages.slice(this.next)];
    this.next = 0;
  }

  first(): HeldMessage | undefined {
    return this.messages[this.next];
  }

  shift(): HeldMessage | undefined {
    const message = this.messages[this.next];
    if (message === undefined) {
      return undefined;
    }
    this.next++;
    if (this.next === this.messages.length) {
      this.messages = [];
      this.next = 0;
    } else if (this.next >= 1_024 && this.next * 2 >= this.messages.length) {
      this.messages = this.messages.slice(this.next);
      this.next = 0;
    }
    this.budget.give(message.bytes.length);
    return message;
  }

  takeAll(): HeldMessage[] {
    const all = this.messages.slice(this.next);
    this.messages = [];
    this.next = 0;
    all.forEach((message) => this.budget.give(message.bytes.length));
    return all;
  }

  /** Infinity: nothing expires. */
  earliestExpiry(): number {
    let earliest = Infinity;
    for (let i = this.next; i < this.messages.length; i++) {
      earliest = Math.min(earliest, this.messages[i]!.expires);
    }
    return earliest;
  }

  /** Takes out those that have expired. */
  takeExpired(now: number): HeldMessage[] {
    const expired: HeldMessage[] = [];
    const kept: HeldMessage[] = [];
    for (const message of this.takeAll()) {
      (message.expires <= now ? expired : kept).push(message);
    }
    this.unshiftAll(kept);
    return expired;
  }
}
