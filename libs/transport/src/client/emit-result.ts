import { Outcome } from '@nestjs-rsm/segments';
import { Observable, of, type Subscriber } from 'rxjs';
import type { TrackedMessage } from './held-message.js';

/** What `emit` returns where the event was committed at once and nobody asked to have it confirmed. */
export const COMMITTED: Observable<undefined> = of(undefined);

type State = 'pending' | 'done' | 'failed';

/** Told how events end. */
export interface EmitObserver {
  failed(result: EmitResult): void;
  /** One that is to be confirmed has come to its end. */
  confirmed(result: EmitResult): void;
}

/**
 * What `emit` returns: hot, it emits one `undefined` and completes when the event is committed (with `confirm`: handled), or fails. It is the watcher of its
 * message too.
 */
export class EmitResult extends Observable<undefined> implements TrackedMessage {
  state: State = 'pending';
  /** Why it failed. */
  reason: unknown;
  /** Somebody subscribed. */
  observed = false;
  readonly watchRelease: boolean;
  private subscribers: Subscriber<undefined>[] | undefined;

  constructor(
    private readonly observer: EmitObserver,
    /** Names the event in messages. */
    public pattern: string,
    readonly confirm: boolean,
    readonly key: string | undefined,
  ) {
    super((subscriber) => this.attach(subscriber));
    // The segments package keeps the watcher of a committed message only where it is to hear of the release.
    this.watchRelease = confirm || key !== undefined;
  }

  committed(): void {
    if (!this.confirm) {
      this.succeed();
    }
  }

  released(outcome: Outcome): void {
    if (!this.confirm) {
      return;
    }
    if (outcome === Outcome.done) {
      this.succeed();
    } else if (outcome === Outcome.failed) {
      this.failed(
        new Error(`The event '${this.pattern}' was received, but a handler failed or there is none; the log of the service says why.`),
      );
    }
    // Nacked and returned events are sent again; this goes on watching them.
  }

  succeed(): void {
    if (this.state === 'pending') {
      this.state = 'done';
      if (this.confirm) {
        this.observer.confirmed(this);
      }
      const { subscribers } = this;
      this.subscribers = undefined;
      subscribers?.forEach((subscriber) => {
        subscriber.next(undefined);
        subscriber.complete();
      });
    }
  }

  failed(error: unknown): void {
    if (this.state === 'pending') {
      this.state = 'failed';
      this.reason = error;
      const { subscribers } = this;
      this.subscribers = undefined;
      this.observer.failed(this);
      if (this.confirm) {
        this.observer.confirmed(this);
      }
      subscribers?.forEach((subscriber) => subscriber.error(error));
    }
  }

  private attach(subscriber: Subscriber<undefined>): void {
    this.observed = true;
    if (this.state === 'pending') {
      (this.subscribers ??= []).push(subscriber);
    } else if (this.state === 'done') {
      subscriber.next(undefined);
      subscriber.complete();
    } else {
      subscriber.error(this.reason);
    }
  }
}
