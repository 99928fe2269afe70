import { Controller, Module } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { expose } from './fixture/fixture.js';
import { serve } from './fixture/serve.js';

const events: unknown[] = [];

@Controller()
class BasicController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown) {
    return data;
  }

  @MessagePattern('pid')
  pid() {
    return process.pid;
  }

  @EventPattern('event')
  event(@Payload() data: unknown) {
    events.push(data);
  }
}

@Module({ controllers: [BasicController] })
class BasicModule {}

expose({ events: () => events });
await serve(BasicModule, { server: { service: 'basic' } });
