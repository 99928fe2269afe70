import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, type Observable, type Subscription } from 'rxjs';
import type { RsmContext } from '../context/index.js';
import type { ServerRuntime } from './server-runtime.js';

/**
 * One call of a handler inside Nest's processing hooks. Subclasses say what becomes of its result: a value (or a promise's) goes to `succeeded`, an
 * Observable to `observe`, an error to `thrown`. They run the end hook when the handler has come to its end; it runs once.
 */
export abstract class HandlerCall {
  context!: RsmContext;
  protected subscription: Subscription | undefined;
  /** The handler was called. */
  protected invoked = false;
  /** The handler, with its Observable, has come to its end. */
  protected ended = false;
  private endHookRan = false;

  constructor(protected readonly runtime: ServerRuntime) {}

  protected call(callback: MessageHandler, data: unknown): void {
    const { hooks } = this.runtime;
    if (!hooks.startHookSet) {
      void this.invoke(callback, data); // its promise never rejects
      return;
    }
    try {
      // Resolves when the handler has returned, not when its Observable has ended, as in Nest.
      const hooked = hooks.start(this.context, async () => this.invoke(callback, data));
      if (isThenable(hooked)) {
        void hooked.then(undefined, (error: unknown) => this.hookFailed(error));
      }
    } catch (error) {
      this.hookFailed(error);
    }
  }

  /** The handler's value. An Observable goes to `observe`. */
  protected abstract succeeded(value: unknown): void;
  protected abstract thrown(error: unknown): void;
  protected abstract observe(source: Observable<unknown>): void;

  protected runEndHook(): void {
    if (!this.endHookRan) {
      this.endHookRan = true;
      try {
        this.runtime.hooks.end(this.context);
      } catch (error) {
        this.runtime.logger.error(error);
      }
    }
  }

  private invoke(callback: MessageHandler, data: unknown): Promise<void> | undefined {
    if (this.invoked) {
      return undefined; // a hook that calls `done` twice
    }
    this.invoked = true;
    if (this.ended) {
      return undefined; // cancelled while the hook waited
    }
    let result: unknown;
    try {
      result = callback(data, this.context);
    } catch (error) {
      this.thrown(error);
      return undefined;
    }
    if (isThenable(result)) {
      return result.then(
        (value: unknown) => this.returned(value),
        (error: unknown) => this.thrown(error),
      ) as Promise<void>;
    }
    this.returned(result);
    return undefined;
  }

  private returned(value: unknown): void {
    if (isObservable(value)) {
      this.observe(value);
    } else {
      this.succeeded(value);
    }
  }

  private hookFailed(error: unknown): void {
    if (!this.invoked) {
      this.invoked = true;
      this.thrown(error);
    } else {
      this.runtime.logger.error(error);
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
