import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { LookupsModule } from './lookups.module.js';
import { drain, transport } from './transport.js';

const app = await NestFactory.createMicroservice<MicroserviceOptions>(LookupsModule, transport);
await app.listen();

let stopping = false;

/** First finish what has arrived, then close: onModuleDestroy must not run under a handler. */
async function stop(): Promise<void> {
  if (stopping) {
    return;
  }
  stopping = true;
  await drain();
  await app.close();
  if (process.connected) {
    process.disconnect();
  }
}

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
// Whoever started this service has gone.
process.once('disconnect', stop);
// Started by another process (the demo, or pm2 with wait_ready): say that messages are taken now.
process.send?.('ready');
