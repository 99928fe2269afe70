/** A service whose instances are workers of node:cluster. The primary only forks and answers the test. */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type CustomStrategy, MessagePattern } from '@nestjs/microservices';
import { RsmServer } from 'nestjs-rsm';
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';

@Controller()
class WorkerController {
  @MessagePattern('who')
  who() {
    return process.pid;
  }
}

@Module({ controllers: [WorkerController] })
class WorkerModule {}

async function serve(): Promise<void> {
  const strategy = new RsmServer({ service: 'jobs' });
  const app = await NestFactory.createMicroservice(WorkerModule, { strategy } as CustomStrategy);
  await app.listen();
  process.on('message', (message) => {
    if (message === 'close') {
      void app.close().then(() => cluster.worker!.disconnect());
    }
  });
  process.send!('serving');
}

async function manage(): Promise<void> {
  // Not in workers: they are not the test's to call.
  const { expose, fixtureOptions, onStop, ready } = await import('./fixture/fixture.js');
  const { workers = 2 } = fixtureOptions<{ workers: number }>();
  const start = async (): Promise<void> => {
    await once(cluster.fork(), 'message');
  };
  const living = (): Worker[] => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  await Promise.all(Array.from({ length: workers }, start));
  expose({
    workers: () => living().map((worker) => worker.process.pid),
    /** Kills one and forks another. */
    async replace(pid: number) {
      const worker = living().find((candidate) => candidate.process.pid === pid)!;
      worker.process.kill('SIGKILL');
      await once(worker, 'exit');
      await start();
    },
  });
  onStop(async () => {
    const ends = living().map(async (worker) => {
      worker.send('close');
      await once(worker, 'exit');
    });
    await Promise.all(ends);
  });
  ready();
}

await (cluster.isPrimary ? manage() : serve());
