/** A receiver that takes its time for each event, one after the other, and checks that none is missing, repeated or out of order. */
import { Controller, Module } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { expose, fixtureOptions } from './fixture/fixture.js';
import { serve } from './fixture/serve.js';
import { Peak } from './memory.js';

/** `pause`: milliseconds for each event; below 1 they are spent busily, since no timer is that short. */
const { pause = 1, inOrder = true } = fixtureOptions<{ pause: number; inOrder: boolean }>();
let peak: Peak | undefined;
let received = 0;
let sum = 0;
let bytes = 0;
let misplaced = 0;

async function rest(): Promise<void> {
  if (pause >= 1) {
    await sleep(pause);
    return;
  }
  const end = performance.now() + pause;
  while (performance.now() < end);
  await turn();
}

@Controller()
class SlowController {
  @MessagePattern('ready')
  ready() {
    peak ??= new Peak();
    return true;
  }

  @EventPattern<string>('load')
  async load(@Payload() { n, text }: { n: number; text: string }) {
    if (inOrder && n !== received) misplaced++;
    received++;
    sum += n;
    bytes += text.length;
    await rest();
  }
}

@Module({ controllers: [SlowController] })
class SlowModule {}

expose({ state: () => ({ received, sum, bytes, misplaced, growth: peak?.growth() ?? 0 }), rss: () => process.memoryUsage.rss() });
await serve(SlowModule, { server: { service: 'slow', concurrency: 1 } });
