import { FIRST_NUMBER, nestPayload, type Payload } from '../payloads.js';
import { Tally, type TallyResult } from '../tally.js';

/** What every server over Nest does, whatever the transport. */
export class BenchHandlers {
  private readonly tally = new Tally();
  private payload: Payload = nestPayload('64B');

  /** Which payload the next messages carry. */
  prepare(payloadName: string, ordered: boolean): void {
    this.payload = nestPayload(payloadName);
    this.tally.reset(FIRST_NUMBER, ordered);
  }

  echo(received: unknown): unknown {
    const value = this.payload.read(received);
    if (Number.isNaN(this.payload.numberOf(value))) throw new Error('A request arrived with changed content.');
    return value;
  }

  event(received: unknown): void {
    this.tally.add(this.payload.numberOf(this.payload.read(received)));
  }

  /** Answers when so many events were handled, or when no more come. */
  reach(count: number): Promise<TallyResult> {
    return this.tally.reach(count);
  }
}
