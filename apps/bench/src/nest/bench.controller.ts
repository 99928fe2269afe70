import { Controller } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload as Body } from '@nestjs/microservices';
import type { TallyResult } from '../tally.js';
import { BenchHandlers } from './bench-handlers.js';

/** The server that every Nest peer is measured with. */
@Controller()
export class BenchController {
  private readonly handlers = new BenchHandlers();

  @MessagePattern('prepare')
  prepare(@Body() payloadName: string): boolean {
    this.handlers.prepare(payloadName, true);
    return true;
  }

  @MessagePattern('echo')
  echo(@Body() received: unknown): unknown {
    return this.handlers.echo(received);
  }

  @EventPattern('event')
  event(@Body() received: unknown): void {
    this.handlers.event(received);
  }

  @MessagePattern('reach')
  reach(@Body() count: number): Promise<TallyResult> {
    return this.handlers.reach(count);
  }
}
