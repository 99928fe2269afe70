/** A process whose worker threads are clients and servers, or come and go, and that tells what they have left behind. */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expose, onStop, ready } from './fixture/fixture.js';
import type { Departure } from './passing-thread.js';
import { residue } from './residue.js';
import type { ThreadTask } from './thread.js';

const servers: Worker[] = [];

function run(task: ThreadTask): Worker {
  return new Worker(join(import.meta.dirname, 'thread.js'), { workerData: task });
}

/** Runs a client to its end; returns its answers. */
async function client(task: Omit<ThreadTask, 'role'>): Promise<unknown> {
  const worker = run({ role: 'client', ...task });
  const exited = once(worker, 'exit');
  const [answers] = (await once(worker, 'message')) as [unknown];
  await exited;
  return answers;
}

onStop(async () => {
  for (const worker of servers.splice(0)) {
    worker.postMessage('close');
    await once(worker, 'exit');
  }
});
expose({
  async startServers(count: number, service: string) {
    const started = Array.from({ length: count }, async () => {
      const worker = run({ role: 'server', service });
      servers.push(worker);
      const [{ serving }] = (await once(worker, 'message')) as [{ serving: number }];
      return serving;
    });
    return Promise.all(started);
  },
  clients: (count: number, service: string, instances: number, messages: number) =>
    Promise.all(Array.from({ length: count }, () => client({ service, instances, messages }))),
  /** `count` worker threads, one after the other, that connect to the service `plain` and go. */
  async churn(count: number, departure: Departure) {
    const directory = process.env['RSM_DIRECTORY'];
    for (let i = 0; i < count; i++) {
      const worker = new Worker(join(import.meta.dirname, 'passing-thread.js'), { workerData: { directory, departure } });
      const exited = once(worker, 'exit');
      await once(worker, 'message');
      if (departure === 'is terminated') await worker.terminate();
      await exited;
    }
  },
  residue,
  rss: () => process.memoryUsage.rss(),
});
ready();
