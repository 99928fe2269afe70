/** A server of the soak: a Nest microservice that writes down what it handles. Ends in order at SIGTERM, as the documentation says: drain(), then close(). */
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, type CustomStrategy, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { RsmContext, RsmRetriableException, RsmServer } from 'nestjs-rsm';
import { Journal, journalWakes } from './journal.js';
import { leave, listen, type ServerSettings, settings, tell } from './link.js';
import { digestOf, type Numbered, type Tag } from './messages.js';

const { journal: path, options } = settings<ServerSettings>();
const journal = new Journal(path);
const server = new RsmServer(options);

/** Milliseconds. Most are handled at once, some take their time, a few very long: which ones, their number says. */
function pauseOf(n: number): number {
  return n % 64 === 5 ? 250 : n % 8 === 7 ? (n * 7) % 60 : 0;
}

function begin(route: string, { s, n }: Tag, body: unknown, context: RsmContext): void {
  journal.write('B', s, n, context.getAttempt(), route, digestOf(body));
}

function end({ s, n }: Tag, context: RsmContext, outcome: 'done' | 'nack'): void {
  journal.write('E', s, n, context.getAttempt(), outcome);
}

function handle(route: string, tag: Tag, body: unknown, context: RsmContext): Promise<void> | undefined {
  begin(route, tag, body, context);
  const pause = pauseOf(tag.n);
  if (pause === 0) {
    end(tag, context, 'done');
    return undefined;
  }
  return sleep(pause).then(() => end(tag, context, 'done'));
}

function tagOf(context: RsmContext): Tag {
  return context.getHeaders() as unknown as Tag;
}

@Controller()
class SoakController {
  @EventPattern<string>('plain')
  plain(@Payload() message: Numbered, @Ctx() context: RsmContext) {
    return handle('plain', message, message.body, context);
  }

  @EventPattern<string>('mixed')
  mixed(@Payload() message: Tag & { inner: { body: Buffer }[] }, @Ctx() context: RsmContext) {
    return handle('mixed', message, message.inner[0]!.body, context);
  }

  @EventPattern<string>('raw')
  raw(@Payload() body: Buffer, @Ctx() context: RsmContext) {
    return handle('raw', tagOf(context), body, context);
  }

  @EventPattern<string>('text')
  text(@Payload() body: string, @Ctx() context: RsmContext) {
    return handle('text', tagOf(context), body, context);
  }

  @EventPattern<string>('serial', { concurrency: 1 })
  serial(@Payload() message: Numbered, @Ctx() context: RsmContext) {
    return handle('serial', message, message.body, context);
  }

  @EventPattern<string>('tree.>')
  tree(@Payload() message: Numbered, @Ctx() context: RsmContext) {
    return handle(context.getPattern(), message, message.body, context);
  }

  @EventPattern<string>('manual', { ack: 'manual' })
  manual(@Payload() message: Numbered, @Ctx() context: RsmContext) {
    begin('manual', message, message.body, context);
    setTimeout(() => {
      const refused = message.n % 4 === 0 && context.getAttempt() === 1;
      end(message, context, refused ? 'nack' : 'done');
      if (refused) context.nack();
      else context.ack();
    }, pauseOf(message.n));
  }

  @EventPattern<string>('retry')
  async retry(@Payload() message: Numbered, @Ctx() context: RsmContext) {
    begin('retry', message, message.body, context);
    await sleep(pauseOf(message.n));
    const refused = message.n % 3 === 0 && context.getAttempt() === 1;
    end(message, context, refused ? 'nack' : 'done');
    if (refused) throw new RsmRetriableException('not at the first attempt');
  }

  @MessagePattern('ask')
  async ask(@Payload() message: Numbered, @Ctx() context: RsmContext) {
    const digest = digestOf(message.body);
    journal.write('R', message.s, message.n, context.getAttempt(), digest);
    await sleep(pauseOf(message.n));
    journal.write('r', message.s, message.n, context.getAttempt());
    return { digest, body: message.body };
  }
}

@Module({ controllers: [SoakController] })
class SoakModule {}

const app = await NestFactory.createMicroservice(SoakModule, { strategy: server, logger: ['error', 'warn'] } as CustomStrategy);
await app.listen();
const listener = server.unwrap();
const { connections } = listener;
journal.write('P', listener.instance, process.pid);

listen(({ kind }) => {
  if (kind === 'state') {
    const regions = readFileSync('/proc/self/maps', 'utf8').split('memfd:').length - 1;
    tell({ kind: 'state', state: { connections: connections.size, regions, pending: [] } });
  }
});
const writeWakes = journalWakes(journal, () => listener.counters());
process.once('SIGTERM', () => {
  void (async () => {
    journal.write('T');
    writeWakes();
    await server.drain();
    await app.close();
    journal.write('Z', JSON.stringify(server.counters));
    leave();
  })();
});
tell({ kind: 'ready' });
