import { Lane, Outcome, type QueueBudget, type ReturnedMessage, type RsmError } from '@nestjs-rsm/segments';
import type { ResolvedClientOptions } from '../options/index.js';
import { BroadcastCopy } from './broadcast.js';
import type { RsmClientCounters } from './client-counters.js';
import type { DeadLetters } from './dead-letters.js';
import { EmitResult } from './emit-result.js';
import type { HeldMessage, TrackedMessage } from './held-message.js';
import type { Instance } from './instances.js';
import { instanceOf, type Outbound } from './outbound.js';
import type { PendingRequests } from './pending-requests.js';
import { SuspectWatcher } from './suspect-watcher.js';

/** Milliseconds in which what a draining instance gives back is gathered, so that it goes on in order. */
const HAND_BACK_WINDOW = 20;

/**
 * What happens to messages that were not finished: those of lost and draining instances go to others, in the order they were committed; nacked events go again
 * after a delay. An event that had begun gains an attempt; after `maxAttempts` it is a dead letter.
 */
export class Redelivery {
  /** Nacked events that wait for their delay. */
  private readonly delayed = new Map<NodeJS.Timeout, HeldMessage>();

  constructor(
    private readonly outbound: Outbound,
    private readonly requests: () => PendingRequests,
    private readonly deadLetters: DeadLetters,
    private readonly options: ResolvedClientOptions,
    private readonly counters: RsmClientCounters,
    private readonly budget: QueueBudget,
  ) {}

  /** Events that wait for their delay. */
  get waiting(): number {
    return this.delayed.size;
  }

  /** A message that its instance gave back, or left unfinished when it was lost. */
  returned(message: ReturnedMessage): void {
    const instance = instanceOf(message.connection);
    const suspect = message.watcher instanceof SuspectWatcher;
    const watcher = (suspect ? (message.watcher as SuspectWatcher).original : message.watcher) as TrackedMessage | undefined;
    if (message.lane === Lane.requests) {
      const held = this.requests().reclaim(message, this.options.maxAttempts);
      if (held !== undefined) {
        this.gather(instance, message.sequence, held, message.outcome !== 0);
      }
    } else if (message.lane === Lane.events) {
      this.returnedEvent(instance, message, watcher, suspect);
    }
  }

  /** The instance takes no more: its queue is taken now, what it gives back follows. */
  draining(instance: Instance): void {
    this.takeQueue(instance);
    this.armHandBack(instance);
  }

  /** The instance hung up; what it left unfinished follows, then `lost`. */
  hungUp(instance: Instance): void {
    this.takeQueue(instance);
  }

  /** Everything unfinished is here. */
  lost(instance: Instance): void {
    this.takeQueue(instance);
    this.handBack(instance);
  }

  /** A message that waited cannot be sent at all. */
  giveUp(message: HeldMessage, error: unknown, instance: Instance): void {
    const { watcher } = message;
    const uncommitted = watcher !== undefined && !(watcher instanceof EmitResult && watcher.state === 'done');
    watcher?.failed(error);
    if (message.lane === Lane.events && !uncommitted) {
      this.bury(message, message.attempt, error instanceof Error ? error.message : String(error), instance);
    }
  }

  /** The client is closed: nothing is sent again. Returns how many events that ended. */
  abandon(error: RsmError): number {
    const messages = [...this.delayed.values()];
    this.delayed.forEach((message, timer) => {
      clearTimeout(timer);
      this.budget.give(message.bytes.length);
    });
    this.delayed.clear();
    messages.forEach((message) => message.watcher?.failed(error));
    return messages.length;
  }

  private returnedEvent(instance: Instance, message: ReturnedMessage, watcher: TrackedMessage | undefined, wasSuspect: boolean): void {
    const { outcome, started, bytes, sequence } = message;
    const begun = outcome === Outcome.nack || (outcome === 0 && started);
    const attempt = begun ? message.attempt + 1 : message.attempt;
    // Of suspects that were not begun again nothing new is known.
    const suspect = outcome === 0 ? started || wasSuspect : wasSuspect && outcome === Outcome.returned;
    const held: HeldMessage = { lane: Lane.events, attempt, bytes, watcher, suspect, expires: Infinity };
    if (watcher instanceof BroadcastCopy && outcome !== Outcome.nack) {
      this.loseCopy(held, instance);
    } else if (attempt >= this.options.maxAttempts) {
      const why = outcome === Outcome.nack ? 'its handler refused it' : 'its instance was lost while it was handled';
      this.bury(held, attempt, `${why}, and maxAttempts is ${this.options.maxAttempts}`, instance);
    } else if (outcome === Outcome.nack) {
      this.retryLater(instance, held);
    } else {
      this.gather(instance, sequence, held, outcome !== 0);
    }
  }

  private retryLater(instance: Instance, held: HeldMessage): void {
    this.budget.force(held.bytes.length);
    const timer = setTimeout(() => {
      this.delayed.delete(timer);
      this.budget.give(held.bytes.length);
      if (!(held.watcher instanceof BroadcastCopy)) {
        this.counters.redeliveries++;
        this.outbound.resend([held]);
      } else if (instance.usable) {
        this.counters.redeliveries++;
        this.outbound.sendGroup(instance, [held]);
      } else {
        this.loseCopy(held, instance);
      }
    }, this.options.retryDelay(held.attempt));
    this.delayed.set(timer, held);
  }

  private gather(instance: Instance, sequence: number, message: HeldMessage, alive: boolean): void {
    this.counters.redeliveries++;
    instance.returned.push({ sequence, message });
    if (alive) {
      this.armHandBack(instance);
    }
  }

  private armHandBack(instance: Instance): void {
    if (instance.handBackTimer !== undefined) {
      return;
    }
    // A long message of which fragments still leave comes back once it is there, and before what had been queued behind it.
    const leaving = instance.connection.leaving;
    instance.handBackTimer = setTimeout(() => {
      instance.handBackTimer = undefined;
      if (leaving || instance.connection.leaving) {
        this.armHandBack(instance);
      } else {
        this.handBack(instance);
      }
    }, HAND_BACK_WINDOW);
  }

  private takeQueue(instance: Instance): void {
    for (const queued of instance.connection.takeQueued()) {
      const held = this.outbound.reclaim(queued);
      if (held !== undefined) {
        instance.taken.push(held);
      }
    }
    instance.taken.push(...instance.backlog.takeAll());
    instance.suspectOut = false;
  }

  /** Sends on what came back, then what had been queued behind it. */
  private handBack(instance: Instance): void {
    clearTimeout(instance.handBackTimer);
    instance.handBackTimer = undefined;
    const returned = instance.returned.sort((a, b) => a.sequence - b.sequence).map(({ message }) => message);
    const messages: HeldMessage[] = [];
    const copies: HeldMessage[] = [];
    for (const message of [...returned, ...instance.taken]) {
      (message.watcher instanceof BroadcastCopy ? copies : messages).push(message);
    }
    instance.returned = [];
    instance.taken = [];
    messages.forEach((message) => message.watcher?.sentTo?.(undefined));
    if (messages.length > 0) {
      this.outbound.resend(messages);
    }
    copies.forEach((copy) => this.loseCopy(copy, instance)); // behind the others: whoever hears of it may send at once
  }

  private loseCopy(message: HeldMessage, instance: Instance): void {
    this.counters.lostBroadcastCopies++;
    (message.watcher as BroadcastCopy).lost();
    this.bury(message, message.attempt, 'a copy of a broadcast whose instance was lost or closed before it had finished it', instance);
  }

  private bury(message: HeldMessage, attempts: number, reason: string, instance: Instance): void {
    this.deadLetters.add(message.bytes, attempts, reason, instance.connection.peer.identity);
    message.watcher?.failed(new Error(`The event became a dead letter: ${reason}.`));
  }
}
