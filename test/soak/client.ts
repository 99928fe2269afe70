/** A client of the soak: a Nest application that sends without end and writes down what became of it. Ends in order at SIGTERM. */
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientsModule } from '@nestjs/microservices';
import { RsmClient } from 'nestjs-rsm';
import { Journal, journalWakes } from './journal.js';
import { type ClientSettings, leave, listen, settings, tell } from './link.js';
import { Traffic } from './traffic.js';

const given = settings<ClientSettings>();
const journal = new Journal(given.journal);

@Module({
  imports: [
    ClientsModule.register([
      {
        name: 'SOAK',
        customClass: RsmClient,
        options: {
          ...given.options,
          onDeadLetter: (letter: { data: unknown; headers: unknown; attempts: number; instance?: string; reason: string }) => {
            const { n } = { ...(letter.headers as object), ...(Buffer.isBuffer(letter.data) ? {} : (letter.data as object)) } as {
              n: number;
            };
            journal.write('L', n, letter.attempts, letter.instance ?? '-', letter.reason);
          },
        },
      },
    ]),
  ],
})
class SoakModule {}

const app = await NestFactory.createApplicationContext(SoakModule, { logger: ['error', 'warn'] });
const client = app.get<RsmClient>('SOAK');
journal.write('P', '-', process.pid);
const traffic = new Traffic(client, journal, given);
client.on('connect', ({ peer }) => journal.write('C', peer.identity, traffic.lastEvent));
client.on('disconnect', ({ peer }) => journal.write('D', peer.identity, traffic.lastEvent));
client.on('emitError', () => {}); // told to whoever subscribed, and everybody does

listen(({ kind }) => {
  if (kind === 'finish') {
    void traffic.finish().then(() => tell({ kind: 'finished' }));
  } else {
    const regions = readFileSync('/proc/self/maps', 'utf8').split('memfd:').length - 1;
    tell({ kind: 'state', state: { connections: client.unwrap().connections.size, regions, pending: traffic.pending() } });
  }
});
const connector = client.unwrap();
const writeWakes = journalWakes(journal, () => connector.counters());
process.once('SIGTERM', () => {
  void (async () => {
    traffic.stop();
    journal.write('T');
    writeWakes();
    await app.close();
    // What close() has ended is told to its subscribers in this turn.
    await sleep(0);
    journal.write('Z', JSON.stringify(client.counters));
    leave();
  })();
});
tell({ kind: 'ready' });
traffic.start();
