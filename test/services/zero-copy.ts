/** A service whose handlers look at their payloads in place, and keep them longer than they should. */
import { Controller, Module } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { type RsmContext, RsmRetriableException } from 'nestjs-rsm';
import { Observable } from 'rxjs';
import { expose } from './fixture/fixture.js';
import { Gate } from './fixture/gate.js';
import { serve } from './fixture/serve.js';
import { digestOf } from './random-payload.js';
import { residue } from './residue.js';

/** What a handler saw. */
export interface Look {
  handler: string;
  bytes: number;
  digest: string;
  attempt: number;
}

const looks: Look[] = [];
const kept: Uint8Array[] = [];
const gate = new Gate();
gate.open();
let writes = false;
let aborted = 0;

function look(handler: string, data: Uint8Array, context?: RsmContext): void {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  kept.push(data);
  looks.push({
    handler,
    bytes: bytes.length,
    digest: digestOf(bytes),
    attempt: context?.getAttempt() ?? 0,
  });
}

@Controller()
class ZeroCopyController {
  @EventPattern<string>('frame', { zeroCopy: true })
  async frame(@Payload() data: Buffer, @Ctx() context: RsmContext) {
    look('frame', data, context);
    await gate.pass();
    look('frame after the gate', data, context);
  }

  @EventPattern<string>('copied')
  async copied(@Payload() data: Buffer, @Ctx() context: RsmContext) {
    look('copied', data, context);
    await gate.pass();
  }

  @EventPattern<string>('mixed')
  mixedCopied(@Payload() data: Buffer, @Ctx() context: RsmContext) {
    look('mixed, copied', data, context);
  }

  @EventPattern<string>('mixed', { zeroCopy: true })
  async mixedInPlace(@Payload() data: Buffer, @Ctx() context: RsmContext) {
    look('mixed, in place', data, context);
    await gate.pass();
  }

  @EventPattern<string>('mixed', { zeroCopy: true })
  mixedFails(@Payload() data: Buffer, @Ctx() context: RsmContext) {
    look('mixed, fails', data, context);
    throw new Error('of one of several');
  }

  @EventPattern<string>('retried', { zeroCopy: true })
  retried(@Payload() data: Buffer, @Ctx() context: RsmContext) {
    look('retried', data, context);
    if (writes) {
      data.write('written');
    }
    if (context.getAttempt() === 1) {
      throw new RsmRetriableException('once more');
    }
  }

  @EventPattern<string>('manual', { zeroCopy: true, ack: 'manual' })
  async manual(@Payload() data: Buffer, @Ctx() context: RsmContext) {
    look('manual', data, context);
    await gate.pass();
    context.ack();
  }

  @EventPattern<string>('serial', { zeroCopy: true, concurrency: 1 })
  async serial(@Payload() data: Buffer, @Ctx() context: RsmContext) {
    await gate.pass();
    look('serial', data, context);
  }

  @EventPattern<string>('nested', { zeroCopy: true })
  nested(@Payload() data: { name: string; large: Buffer; numbers: Float64Array; text: string }, @Ctx() context: RsmContext) {
    look(`nested ${data.name} ${data.text.length}`, data.large, context);
    look('numbers', new Uint8Array(data.numbers.buffer, data.numbers.byteOffset, data.numbers.byteLength), context);
  }

  @EventPattern<string>('numbers', { zeroCopy: true })
  numbers(@Payload() data: Float64Array, @Ctx() context: RsmContext) {
    look(`numbers ${data[1]}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength), context);
  }

  @MessagePattern('echo', { zeroCopy: true })
  async echo(@Payload() data: Buffer, @Ctx() context: RsmContext) {
    look('echo', data, context);
    await gate.pass();
    return data;
  }

  @MessagePattern('stream', { zeroCopy: true })
  stream(@Payload() data: Buffer) {
    return new Observable<Buffer>((observer) => {
      observer.next(data.subarray(0, 5_000));
      setImmediate(() => {
        observer.next(data.subarray(5_000));
        observer.complete();
      });
    });
  }

  @MessagePattern('patient', { zeroCopy: true })
  async patient(@Payload() data: Buffer, @Ctx() context: RsmContext) {
    context.signal.addEventListener('abort', () => aborted++);
    look('patient', data, context);
    await gate.pass();
    look('patient after the gate', data, context);
    return data.length;
  }

  @MessagePattern('barrier')
  barrier() {
    return 'passed';
  }
}

@Module({ controllers: [ZeroCopyController] })
class ZeroCopyModule {}

expose({
  looks: () => looks.splice(0),
  /** Bytes that each payload still has. */
  kept: () => kept.map(({ byteLength }) => byteLength),
  collect: () => void kept.splice(0),
  hold: () => gate.close(),
  held: () => gate.held,
  open: () => gate.open(),
  write: () => void (writes = true),
  aborted: () => aborted,
  residue,
});
await serve(ZeroCopyModule, { server: { service: 'zero-copy' } });
