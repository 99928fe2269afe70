import { type Connector, RsmError } from '@nestjs-rsm/segments';
import { type HeldMessage, HeldQueue } from './held-message.js';

/** Milliseconds at least between two looks for expired messages. */
const EXPIRY_INTERVAL = 20;

/** Messages for which there is no instance. New ones fail with RSM_UNREACHABLE after `connectTimeout`; accepted ones wait for a successor. */
export class WaitingRoom {
  readonly queue: HeldQueue;
  private connecting: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private unreachable: unknown;

  constructor(
    private readonly connector: Connector,
    private readonly connectTimeout: number,
    /** Takes what waits when no instance could be reached in time; nothing fails then. */
    private readonly handOver: ((messages: HeldMessage[]) => void) | undefined,
  ) {
    this.queue = new HeldQueue(connector.budget);
  }

  newExpiry(): number {
    return this.handOver === undefined ? performance.now() + this.connectTimeout : Infinity;
  }

  /** Resolves when an instance is connected. Calls made meanwhile share the promise. */
  connect(): Promise<void> {
    if (this.connecting === undefined) {
      const connecting = this.connector.ready(this.connectTimeout).finally(() => {
        if (this.connecting === connecting) {
          this.connecting = undefined;
        }
      });
      this.connecting = connecting;
    }
    return this.connecting;
  }

  /** Looks for instances, and for messages that wait too long. */
  begin(): void {
    if (this.connecting === undefined) {
      this.connect().catch((error: unknown) => this.refused(error));
    }
    this.armTimer();
  }

  /** Everything that waits: an instance has come. */
  takeAll(): HeldMessage[] {
    this.disarm();
    this.unreachable = undefined;
    return this.queue.takeAll();
  }

  disarm(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private refused(error: unknown): void {
    if (this.handOver !== undefined) {
      this.handOver(this.queue.takeAll());
    } else if (RsmError.is(error) && error.code === 'RSM_UNREACHABLE') {
      this.unreachable = error; // each message has its own time
    } else {
      this.fail(Number.MAX_VALUE, error);
    }
  }

  private armTimer(): void {
    if (this.timer !== undefined || this.handOver !== undefined) {
      return; // what can be handed over does not expire
    }
    const earliest = this.queue.earliestExpiry();
    if (earliest < Infinity) {
      this.timer = setTimeout(() => this.expire(), Math.max(Math.ceil(earliest - performance.now()), EXPIRY_INTERVAL));
    }
  }

  private expire(): void {
    this.timer = undefined;
    this.fail(performance.now(), this.unreachable ?? this.unreachableError());
    this.armTimer();
  }

  private fail(until: number, error: unknown): void {
    this.queue.takeExpired(until).forEach((message) => message.watcher?.failed(error));
  }

  unreachableError(): RsmError {
    return new RsmError(
      'RSM_UNREACHABLE',
      `No instance of the service could be reached in ${this.connector.folder} within ${this.connectTimeout} ms. Start the service, and let both sides use the same directory (option directory or RSM_DIRECTORY).`,
    );
  }
}
