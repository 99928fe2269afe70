import { Lane, type Connection, RsmError, type SendWatcher } from '@nestjs-rsm/segments';
import { type Encoded, PayloadFormat } from '../codec/index.js';
import { ReplyFlag } from '../frame/index.js';
import type { ServerRuntime } from './server-runtime.js';

/** What became of a reply frame. `gone`: its client is, nobody waits for it. */
export type ReplyResult = 'sent' | 'queued' | 'gone';

/** The replies to one client. They queue in the connection within `maxQueuedBytes`; the few words that a request failed of that always get through. */
export class ReplyChannel {
  /** One object for all values: text and bytes leave it before the next is encoded. */
  private readonly encoded: Encoded = { format: PayloadFormat.none, payload: undefined };
  /** Requests that exceeded the queue and whose error has found no room yet. They are not given back before, so `maxRequests` bounds it. */
  private overflow: { readonly id: number; readonly told: () => void }[] = [];
  private emptied: (() => void)[] = [];
  private readonly watcher: SendWatcher = { committed: () => this.sendOverflow() };

  constructor(
    private readonly runtime: ServerRuntime,
    private readonly connection: Connection,
  ) {}

  /**
   * Sends one frame of a reply. With `hasValue` false, `value` is not looked at. `committed` is called where the result is 'queued', when it has
   * left the queue. Throws what the codec throws, RSM_BACKPRESSURE and RSM_MESSAGE_TOO_LARGE; nothing was sent then.
   */
  send(id: number, flags: number, hasValue: boolean, value: unknown, committed?: () => void): ReplyResult {
    const { runtime, connection, encoded } = this;
    if (hasValue) {
      runtime.codec.encode(value, encoded);
    } else {
      encoded.format = PayloadFormat.none;
      encoded.payload = undefined;
    }
    if (!connection.open || runtime.closed) {
      runtime.counters.droppedReplies++;
      return 'gone';
    }
    const watcher = committed === undefined ? this.watcher : { committed: () => (committed(), this.sendOverflow()) };
    try {
      const headerLength = runtime.writer.reply(id, flags, encoded.format);
      const sequence = connection.send(Lane.immediate, headerLength, encoded.payload, watcher);
      runtime.counters.replies++;
      return sequence === 0 ? 'queued' : 'sent';
    } catch (error) {
      if (RsmError.is(error) && error.code === 'RSM_CONNECTION_LOST') {
        runtime.counters.droppedReplies++;
        return 'gone';
      }
      throw error;
    } finally {
      encoded.payload = undefined; // no large value is kept alive
    }
  }

  /** Tells a client that a request failed because its replies exceed the queue, as soon as there is room for that; `told` is called then, or when the client has gone. */
  failOverflowing(id: number, told: () => void): void {
    this.runtime.counters.backpressureErrors++;
    this.overflow.push({ id, told });
    this.sendOverflow();
  }

  /** Resolves when every reply is committed and read by the client; rejects when the connection ends first. */
  async flushed(): Promise<void> {
    if (this.overflow.length > 0) {
      await new Promise<void>((resolve) => this.emptied.push(resolve));
    }
    await this.connection.flushed();
  }

  /** The client has gone. */
  abandon(): void {
    const left = this.overflow;
    this.overflow = [];
    left.forEach(({ told }) => told());
    this.wakeEmptied();
  }

  private sendOverflow(): void {
    while (this.overflow.length > 0) {
      const { id, told } = this.overflow[0]!;
      try {
        this.send(id, ReplyFlag.error | ReplyFlag.last, true, overflowError());
      } catch {
        return; // still no room: the queue that fills it is watched
      }
      this.overflow.shift();
      told();
    }
    this.wakeEmptied();
  }

  private wakeEmptied(): void {
    if (this.emptied.length > 0) {
      const waiters = this.emptied;
      this.emptied = [];
      waiters.forEach((wake) => wake());
    }
  }
}

function overflowError(): object {
  return {
    status: 'error',
    code: 'RSM_BACKPRESSURE',
    message:
      "The replies to this client exceed the server's maxQueuedBytes. Read them faster, ask for less at a time, or raise the option.",
  };
}
