/** A service whose handlers wait at a gate, or take their time, as the test says, and that keeps a record of what they did. */
import { Controller, Module } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { RsmContext } from 'nestjs-rsm';
import { setTimeout as sleep } from 'node:timers/promises';
import { Observable } from 'rxjs';
import { expose, fixtureOptions } from './fixture/fixture.js';
import { serve } from './fixture/serve.js';
import { digestOf } from './random-payload.js';

export interface JobsOptions {
  /** The gate is closed at first. */
  gated: boolean;
  /** Milliseconds each job takes beside waiting for the gate. Default: 0. */
  delay: number;
  shutdownHooks: boolean;
}

/** One event or request as its handler saw it. */
export interface JobRecord {
  n: number;
  key?: string;
  attempt: number;
}

const { gated = false, delay = 0, shutdownHooks = false } = fixtureOptions<JobsOptions>();
const started: JobRecord[] = [];
const finished: number[] = [];
const aborted: number[] = [];
const digests: string[] = [];
let gate = Promise.resolve();
let openGate = (): void => {};

function closeGate(): void {
  gate = new Promise((resolve) => (openGate = resolve));
}

async function work(job: { n: number; key?: string }, context: RsmContext): Promise<void> {
  started.push({ n: job.n, key: job.key, attempt: context.getAttempt() });
  await gate;
  if (delay > 0) await sleep(delay);
  finished.push(job.n);
}

@Controller()
class JobsController {
  @EventPattern<string>('job')
  job(@Payload() job: { n: number; key?: string }, @Ctx() context: RsmContext) {
    return work(job, context);
  }

  @EventPattern<string>('single', { concurrency: 1 })
  single(@Payload() job: { n: number }, @Ctx() context: RsmContext) {
    return work(job, context);
  }

  @MessagePattern('ask')
  async ask(@Payload() job: { n: number }, @Ctx() context: RsmContext) {
    context.signal.addEventListener('abort', () => aborted.push(job.n));
    await work(job, context);
    return { n: job.n, pid: process.pid };
  }

  @MessagePattern('who')
  who() {
    return process.pid;
  }

  @MessagePattern('echo')
  echo(@Payload() data: unknown) {
    return data;
  }

  @EventPattern<string>('digest')
  digest(@Payload() data: string | Buffer) {
    digests.push(digestOf(data));
  }

  @MessagePattern('digests')
  digests() {
    return digests;
  }

  /** `count` values of `bytes` each, as fast as they can be given out. */
  @MessagePattern('stream')
  stream(@Payload() { count, bytes }: { count: number; bytes: number }) {
    return new Observable<{ i: number; text: string }>((subscriber) => {
      const text = 'x'.repeat(bytes);
      for (let i = 0; i < count && !subscriber.closed; i++) {
        subscriber.next({ i, text });
      }
      subscriber.complete();
    });
  }
}

@Module({ controllers: [JobsController] })
class JobsModule {}

if (gated) closeGate();
expose({
  state: () => ({ started: started.map(({ n }) => n), finished, aborted, records: started }),
  openGate: () => openGate(),
  closeGate,
});
await serve(JobsModule, {
  server: { service: 'jobs' },
  configure: (app) => {
    if (shutdownHooks) app.enableShutdownHooks();
  },
});
