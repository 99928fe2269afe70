import { Controller, Module } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { type RsmContext, RsmRetriableException } from 'nestjs-rsm';
import { concat, EMPTY, type Observable, of, tap, throwError, timer } from 'rxjs';
import { expose } from './fixture/fixture.js';
import { Gate } from './fixture/gate.js';
import { serve } from './fixture/serve.js';

const log: string[] = [];
const gate = new Gate();
const contexts: RsmContext[] = [];
const running = { now: 0, most: 0 };

async function run(name: string, work: () => Promise<unknown>): Promise<void> {
  running.now++;
  running.most = Math.max(running.most, running.now);
  log.push(`${name} began`);
  await work();
  log.push(`${name} ended`);
  running.now--;
}

@Controller()
class EventsController {
  @MessagePattern('barrier')
  barrier() {
    return 'passed';
  }

  @EventPattern<string>('serial', { concurrency: 1 })
  serial(@Payload() n: number) {
    return run(`serial ${n}`, () => new Promise((resolve) => setTimeout(resolve, n % 3)));
  }

  @EventPattern<string>('serial-held', { concurrency: 1 })
  serialHeld(@Payload() n: number) {
    return run(`serial-held ${n}`, () => gate.pass());
  }

  @EventPattern<string>('parallel')
  parallel(@Payload() n: number) {
    return run(`parallel ${n}`, () => gate.pass());
  }

  @EventPattern<string>('manual', { ack: 'manual' })
  manual(@Payload() name: string, @Ctx() context: RsmContext) {
    log.push(`${name} attempt ${context.getAttempt()}`);
    contexts.push(context);
  }

  @EventPattern<string>('manual-failure', { ack: 'manual' })
  manualFailure(@Payload() name: string, @Ctx() context: RsmContext) {
    log.push(`${name} attempt ${context.getAttempt()}`);
    if (context.getAttempt() < 3) {
      throw new Error('not yet');
    }
    context.ack();
  }

  @EventPattern<string>('on-receipt', { ack: 'on-receipt' })
  onReceipt(@Payload() name: string) {
    return run(name, () => gate.pass());
  }

  @EventPattern<string>('on-receipt-failure', { ack: 'on-receipt' })
  onReceiptFailure(@Payload() name: string, @Ctx() context: RsmContext) {
    log.push(`${name} attempt ${context.getAttempt()}`);
    throw new RsmRetriableException('never again');
  }

  @EventPattern<string>('retriable')
  async retriable(@Payload() { name, until }: { name: string; until: number }, @Ctx() context: RsmContext) {
    log.push(`${name} attempt ${context.getAttempt()}`);
    if (context.getAttempt() < until) {
      throw new RsmRetriableException('later, please');
    }
  }

  @EventPattern<string>('retriable-stream')
  retriableStream(@Payload() name: string, @Ctx() context: RsmContext): Observable<unknown> {
    log.push(`${name} attempt ${context.getAttempt()}`);
    return context.getAttempt() === 1
      ? concat(
          timer(1),
          throwError(() => new RsmRetriableException()),
        )
      : of('well');
  }

  @EventPattern<string>('retriable-delay')
  retriableDelay(@Payload() name: string, @Ctx() context: RsmContext) {
    log.push(`${name} attempt ${context.getAttempt()}`);
    if (context.getAttempt() === 1) {
      throw new RsmRetriableException('in a moment', { delay: 5 });
    }
  }

  @MessagePattern('retriable-request')
  retriableRequest() {
    throw new RsmRetriableException('of a request');
  }

  @EventPattern<string>('failure')
  failure(@Payload() name: string, @Ctx() context: RsmContext) {
    log.push(`${name} attempt ${context.getAttempt()}`);
    throw new Error('for good');
  }

  // Several handlers of one pattern; each does its worst to the others.
  @EventPattern<string>('crowd')
  crowdThrows(@Payload() name: string) {
    log.push(`${name} throws`);
    throw new Error('of the first');
  }

  @EventPattern<string>('crowd')
  crowdEmpty(@Payload() name: string) {
    log.push(`${name} empty`);
    return EMPTY;
  }

  @EventPattern<string>('crowd')
  async crowdRejects(@Payload() name: string) {
    log.push(`${name} rejects`);
    throw new Error('of the third');
  }

  @EventPattern<string>('crowd')
  crowdStreams(@Payload() name: string) {
    return concat(timer(1), of(1)).pipe(tap({ complete: () => log.push(`${name} streams`) }));
  }

  @EventPattern<string>('crowd')
  async crowdWaits(@Payload() name: string) {
    await gate.pass();
    log.push(`${name} waits`);
  }

  @EventPattern<string>('stream')
  stream(@Payload() name: string) {
    return new Promise<Observable<unknown>>((resolve) =>
      resolve(concat(of(1, 2), gate.pass()).pipe(tap({ complete: () => log.push(`${name} completed`) }))),
    );
  }
}

@Module({ controllers: [EventsController] })
class EventsModule {}

expose({
  log: () => log,
  most: () => running.most,
  held: () => gate.held,
  open: () => gate.open(),
  ack: (i: number) => contexts[i]!.ack(),
  nack: (i: number) => contexts[i]!.nack(),
});
await serve(EventsModule, { server: { service: 'events' } });
