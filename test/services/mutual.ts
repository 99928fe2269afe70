/** Serves `name` and calls `other`, whose handlers call back: requests both ways at once, over small segments. */
import { Controller, Module } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { RsmClient } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { expose, fixtureOptions, onStop } from './fixture/fixture.js';
import { serve } from './fixture/serve.js';

const { name = 'a', other = 'b', common = {} } = fixtureOptions<{ name: string; other: string; common: object }>();
const client = new RsmClient({ service: other, connectTimeout: 45_000, ...common });
let handled = 0;

@Controller()
class MutualController {
  /** Asks the caller's side `depth` times more before it answers. */
  @MessagePattern('bounce')
  async bounce(@Payload() { depth, text }: { depth: number; text: string }): Promise<number> {
    return depth === 0 ? text.length : lastValueFrom(client.send<number>('bounce', { depth: depth - 1, text }));
  }

  /** An event whose handler needs an answer from the other side. */
  @EventPattern<string>('task')
  async task(@Payload() { text }: { text: string }) {
    await lastValueFrom(client.send('bounce', { depth: 0, text }));
    handled++;
  }
}

@Module({ controllers: [MutualController] })
class MutualModule {}

onStop(() => client.close());
expose({
  /** Sends `count` requests in one go; returns how many were answered rightly. */
  async flood(count: number, bytes: number, depth: number) {
    const text = 'x'.repeat(bytes);
    const answers = await Promise.all(Array.from({ length: count }, () => lastValueFrom(client.send<number>('bounce', { depth, text }))));
    return answers.filter((length) => length === bytes).length;
  },
  /** Emits `count` awaited events at once. */
  async tasks(count: number, bytes: number) {
    const text = 'x'.repeat(bytes);
    await Promise.all(Array.from({ length: count }, () => lastValueFrom(client.emit('task', { text }))));
  },
  handled: () => handled,
});
await serve(MutualModule, { server: { service: name, ...common } });
