import { Controller, Module } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import type { RsmContext } from 'nestjs-rsm';
import { expose, fixtureOptions } from './fixture/fixture.js';
import { serve } from './fixture/serve.js';

const log: string[] = [];

function note(handler: string, data: unknown, context: RsmContext): void {
  log.push(`${handler} < ${context.getPattern()} ${String(data)}`);
}

@Controller()
class WildcardsController {
  @EventPattern<string>('order.placed')
  exact(@Payload() data: unknown, @Ctx() context: RsmContext) {
    note('order.placed', data, context);
  }

  @EventPattern<string>('order.*')
  one(@Payload() data: unknown, @Ctx() context: RsmContext) {
    note('order.*', data, context);
  }

  @EventPattern<string>('order.*')
  oneAgain(@Payload() data: unknown, @Ctx() context: RsmContext) {
    note('order.* again', data, context);
  }

  @EventPattern<string>('order.>')
  rest(@Payload() data: unknown, @Ctx() context: RsmContext) {
    note('order.>', data, context);
  }

  @EventPattern<string>('*.placed')
  anyPlaced(@Payload() data: unknown, @Ctx() context: RsmContext) {
    note('*.placed', data, context);
  }

  @EventPattern<string>('order.*.line.>')
  lines(@Payload() data: unknown, @Ctx() context: RsmContext) {
    note('order.*.line.>', data, context);
  }

  @MessagePattern('price.*')
  price(@Payload() data: number, @Ctx() context: RsmContext) {
    return `${context.getPattern()} ${data}`;
  }

  @MessagePattern('price.gold')
  gold(@Payload() data: number) {
    return `gold ${data}`;
  }
}

/** The handler with a pattern of another broker, registered where the test asks for it. */
@Controller()
class RefusedController {
  @EventPattern<string>((fixtureOptions<{ refused: string }>().refused ?? 'unused') as string)
  refused() {}
}

@Module({ controllers: fixtureOptions<{ refused: string }>().refused === undefined ? [WildcardsController] : [RefusedController] })
class WildcardsModule {}

expose({ log: () => log });
await serve(WildcardsModule, { server: { service: 'wildcards', wildcards: true } });
