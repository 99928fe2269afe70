// Only compiled: what the README tells people to write has types, in both module systems.
import { Controller, Inject, Module } from '@nestjs/common';
import { ClientsModule, type CustomStrategy, Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { RSM_TRANSPORT, RsmClient, RsmContext, RsmError, RsmModule, RsmRecordBuilder, RsmRetriableException, RsmServer } from 'nestjs-rsm';
import type { Observable } from 'rxjs';

@Controller()
export class OrdersController {
  constructor(@Inject('ORDERS') private readonly client: RsmClient) {}

  @EventPattern<string>('order.placed', { concurrency: 1 })
  placed(@Payload() order: { id: number }, @Ctx() context: RsmContext): void {
    if (context.getAttempt() > 1) throw new RsmRetriableException(`not yet, ${order.id}`, { delay: 10 });
  }

  @MessagePattern('count')
  count(@Payload() text: string): Observable<number> {
    return this.client.send<number>('length', new RsmRecordBuilder(text).setTimeout(100).build());
  }
}

@Module({
  imports: [ClientsModule.register([{ name: 'ORDERS', customClass: RsmClient, options: { service: 'orders' } }]), RsmModule.forRoot({})],
  controllers: [OrdersController],
})
export class AppModule {}

export const strategy: CustomStrategy = { strategy: new RsmServer({ service: 'orders', codec: 'msgpack' }) };
export const transport: symbol = RSM_TRANSPORT;
export const isLost = (error: unknown): boolean => RsmError.is(error) && error.code === 'RSM_CONNECTION_LOST';
