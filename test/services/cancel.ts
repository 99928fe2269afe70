import { Controller, Module } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { type RsmContext, RsmError } from 'nestjs-rsm';
import { interval, Observable } from 'rxjs';
import { expose } from './fixture/fixture.js';
import { Gate } from './fixture/gate.js';
import { serve } from './fixture/serve.js';

const log: string[] = [];
const gate = new Gate();

@Controller()
class CancelController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown) {
    return data;
  }

  @MessagePattern('ticks')
  ticks(@Payload() name: string, @Ctx() context: RsmContext) {
    note(name, context);
    return new Observable<number>((subscriber) => {
      log.push(`${name} subscribed`);
      const ticking = interval(1).subscribe(subscriber);
      return () => {
        log.push(`${name} unsubscribed`);
        ticking.unsubscribe();
      };
    });
  }

  @MessagePattern('silent')
  silent(@Payload() name: string) {
    return new Observable<never>(() => {
      log.push(`${name} subscribed`);
      return () => log.push(`${name} unsubscribed`);
    });
  }

  /** Ends by itself; the signal must stay quiet. */
  @MessagePattern('list')
  list(@Payload() { name, count }: { name: string; count: number }, @Ctx() context: RsmContext) {
    note(name, context);
    return new Observable<number>((subscriber) => {
      for (let i = 0; i < count; i++) {
        subscriber.next(i);
      }
      subscriber.complete();
    });
  }

  @MessagePattern('until-aborted')
  async untilAborted(@Payload() name: string, @Ctx() context: RsmContext) {
    log.push(`${name} began`);
    await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
    log.push(`${name} aborted ${codeOf(context.signal.reason)}`);
    return 'too late';
  }

  @MessagePattern('one-by-one', { concurrency: 1 })
  async oneByOne(@Payload() name: string) {
    log.push(`${name} began`);
    await gate.pass();
    return name;
  }
}

function note(name: string, { signal }: RsmContext): void {
  signal.addEventListener('abort', () => log.push(`${name} aborted ${codeOf(signal.reason)}`));
}

function codeOf(reason: unknown): string {
  return RsmError.is(reason) ? reason.code : String(reason);
}

@Module({ controllers: [CancelController] })
class CancelModule {}

expose({ log: () => log, held: () => gate.held, open: () => gate.open() });
await serve(CancelModule, { server: { service: 'cancel' } });
