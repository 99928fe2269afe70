import { Controller } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload as Body } from '@nestjs/microservices';
import { FIRST_NUMBER, nestPayload, type Payload } from '../payloads.js';
import { Tally, type TallyResult } from '../tally.js';

/** The server that every Nest peer is measured with. */
@Controller()
export class BenchController {
  private readonly tally = new Tally();
  private payload: Payload = nestPayload('64B');

  /** Which payload the next messages carry. */
  @MessagePattern('prepare')
  prepare(@Body() payloadName: string): boolean {
    this.payload = nestPayload(payloadName);
    this.tally.reset(FIRST_NUMBER);
    return true;
  }

  @MessagePattern('echo')
  echo(@Body() received: unknown): unknown {
    const value = this.payload.read(received);
    if (Number.isNaN(this.payload.numberOf(value))) throw new Error('A request arrived with changed content.');
    return value;
  }

  @EventPattern('event')
  event(@Body() received: unknown): void {
    this.tally.add(this.payload.numberOf(this.payload.read(received)));
  }

  /** Answers when so many events were handled, or when no more come. */
  @MessagePattern('reach')
  reach(@Body() count: number): Promise<TallyResult> {
    return this.tally.reach(count);
  }
}
