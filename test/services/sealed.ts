import { Controller, Module } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import type { RsmContext } from 'nestjs-rsm';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { of } from 'rxjs';
import { expose, fixtureOptions } from './fixture/fixture.js';
import { open, seal } from './fixture/seal.js';
import { serve } from './fixture/serve.js';

/** A service with a serializer and deserializer of its own. */
const events: unknown[] = [];
const deserialized: string[] = [];

@Controller()
class SealedController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown) {
    return data;
  }

  @MessagePattern({ cmd: 'values' })
  values(@Payload() data: unknown[], @Ctx() context: RsmContext) {
    return of(...data, context.getHeaders());
  }

  @MessagePattern('failure')
  failure() {
    throw new RpcException({ sealed: true });
  }

  @EventPattern({ kind: 'event' })
  event(@Payload() data: unknown) {
    events.push(data);
  }
}

@Module({ controllers: [SealedController] })
class SealedModule {}

const { asynchronous } = fixtureOptions<{ asynchronous: boolean }>();
const deserialize = (message: unknown): any => {
  const packet = open(message);
  deserialized.push(JSON.stringify(packet.pattern));
  return packet;
};
expose({ events: () => events, deserialized: () => deserialized });
await serve(SealedModule, {
  server: {
    service: 'sealed',
    serializer: { serialize: seal },
    deserializer: {
      deserialize: asynchronous
        ? async (message: unknown) => {
            await nextTurn();
            return deserialize(message);
          }
        : deserialize,
    },
  },
});
