/** A hybrid app with a provider that is destroyed in onModuleDestroy. On SIGTERM it calls drain(), then close(), as the documentation says. */
import 'reflect-metadata';
import { Controller, Get, Injectable, Module, type OnModuleDestroy } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type CustomStrategy, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { RsmServer } from 'nestjs-rsm';
import { setTimeout as sleep } from 'node:timers/promises';
import { expose, onStop, ready } from './fixture/fixture.js';

const finished: number[] = [];
/** Numbers of jobs that found the database gone. */
const tooLate: number[] = [];

@Injectable()
class Database implements OnModuleDestroy {
  private open = true;

  async store(n: number): Promise<void> {
    const wasOpen = this.open;
    await sleep(5);
    (wasOpen && this.open ? finished : tooLate).push(n);
  }

  onModuleDestroy(): void {
    this.open = false;
  }
}

@Controller()
class HybridController {
  constructor(private readonly database: Database) {}

  @Get('health')
  health() {
    return { finished: finished.length };
  }

  @EventPattern<string>('job')
  async job(@Payload() { n }: { n: number }) {
    await this.database.store(n);
  }

  @MessagePattern('ask')
  async ask(@Payload() { n }: { n: number }) {
    await this.database.store(n);
    return { n, pid: process.pid };
  }
}

@Module({ controllers: [HybridController], providers: [Database] })
class HybridModule {}

const app = await NestFactory.create(HybridModule, { logger: ['error', 'warn'] });
const server = new RsmServer({ service: 'jobs', concurrency: 4 });
app.connectMicroservice({ strategy: server } as CustomStrategy);
await app.startAllMicroservices();
await app.listen(0, '127.0.0.1');

process.once('SIGTERM', () => {
  void (async () => {
    await server.drain();
    await app.close();
    // The last word, read by the test from the output: the IPC channel is no reason to stay.
    console.log(`REPORT ${JSON.stringify({ finished, tooLate })}`);
    process.channel?.unref();
  })();
});
onStop(() => app.close());
expose({ state: () => ({ finished, tooLate }) });
ready({ url: await app.getUrl() });
