/** What one worker thread of the fixture `threads` does. */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type CustomStrategy, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { RsmClient, RsmServer } from 'nestjs-rsm';
import { once } from 'node:events';
import { parentPort, threadId, workerData } from 'node:worker_threads';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';

export interface ThreadTask {
  role: 'server' | 'client';
  service: string;
  /** Client: how many instances it waits for. */
  instances?: number;
  /** Client: how many requests and how many events. */
  messages?: number;
}

const { role, service, instances = 1, messages = 1 } = workerData as ThreadTask;
const events: number[] = [];

@Controller()
class ThreadController {
  @MessagePattern('thread')
  thread(@Payload() n: number) {
    return { n, threadId };
  }

  @EventPattern<string>('event')
  event(@Payload() n: number) {
    events.push(n);
  }

  @MessagePattern('events')
  events() {
    return events;
  }
}

@Module({ controllers: [ThreadController] })
class ThreadModule {}

async function serve(): Promise<() => Promise<void>> {
  const app = await NestFactory.createMicroservice(ThreadModule, { strategy: new RsmServer({ service }) } as CustomStrategy);
  await app.listen();
  parentPort!.postMessage({ serving: threadId });
  await once(parentPort!, 'message');
  return () => app.close();
}

async function request(): Promise<() => Promise<void>> {
  const client = new RsmClient({ service, connectTimeout: 45_000 });
  await client.connect();
  while (client.counters.connections < instances) await sleep(5);
  const numbers = Array.from({ length: messages }, (_, n) => n);
  const answers = await Promise.all(numbers.map((n) => lastValueFrom(client.send<{ n: number; threadId: number }>('thread', n))));
  await Promise.all(numbers.map((n) => lastValueFrom(client.emit('event', n))));
  parentPort!.postMessage(answers);
  return () => client.close();
}

const close = await (role === 'server' ? serve() : request());
await close();
parentPort!.unref();
