import type { Outcome, RsmError } from '@nestjs-rsm/segments';
import type { TrackedMessage } from './held-message.js';
import type { Instance } from './instances.js';
import type { Outbound } from './outbound.js';

/** The one event a backlogged instance works on; told apart from others by this watcher, which passes everything on. */
export class SuspectWatcher implements TrackedMessage {
  readonly watchRelease = true;

  constructor(
    private readonly outbound: Outbound,
    private readonly instance: Instance,
    readonly original: TrackedMessage | undefined,
  ) {}

  get key(): string | undefined {
    return this.original?.key;
  }

  committed(sequence: number): void {
    this.original?.committed?.(sequence);
  }

  released(outcome: Outcome): void {
    this.original?.released?.(outcome);
    this.outbound.suspectBack(this.instance);
  }

  failed(error: RsmError): void {
    this.original?.failed(error);
    this.outbound.suspectBack(this.instance);
  }
}
