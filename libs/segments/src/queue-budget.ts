import { checkInteger } from './options.js';

/** Bytes and messages that may wait in queues. One budget may serve several connections, and queues of the layer above. */
export class QueueBudget {
  /** Bytes that wait now. */
  bytes = 0;
  /** Messages that wait now. */
  messages = 0;
  /** Most bytes that may wait. */
  readonly maxBytes: number;
  /** Most messages that may wait. */
  readonly maxMessages: number;

  /** Both limits: whole numbers from 1. Throws RSM_INVALID_OPTIONS. */
  constructor(maxBytes: number, maxMessages: number) {
    this.maxBytes = checkInteger('maxQueuedBytes', maxBytes, 1, Number.MAX_SAFE_INTEGER, 0);
    this.maxMessages = checkInteger('maxQueuedMessages', maxMessages, 1, Number.MAX_SAFE_INTEGER, 0);
  }

  /** Counts one message of `bytes` bytes, or returns false if it does not fit. One message alone always fits. */
  take(bytes: number): boolean {
    if (this.messages > 0 && (this.bytes + bytes > this.maxBytes || this.messages >= this.maxMessages)) return false;
    this.force(bytes);
    return true;
  }

  /** Counts one message that was accepted earlier (redelivery), even beyond the limits. */
  force(bytes: number): void {
    this.bytes += bytes;
    this.messages++;
  }

  /** Gives back what one take() or force() counted. */
  give(bytes: number): void {
    this.bytes -= bytes;
    this.messages--;
  }
}
