import { Controller } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';

/** What the gateway itself answers as a microservice. */
@Controller()
export class PingController {
  @MessagePattern('gateway.ping')
  ping(): string {
    return 'pong';
  }
}
