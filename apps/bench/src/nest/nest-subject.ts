import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../free-port.js';
import { Pair } from '../pair.js';
import { findProgram } from '../server-program.js';
import type { Place, Subject } from '../suite.js';
import { brokers, type RunningBroker } from './brokers/index.js';
import type { NestPlace } from './peers/index.js';

/** A server and a client over Nest. `port`: see NestPlace. */
export async function startNestPair(peer: string, place: Place, port?: number): Promise<Pair> {
  const programs = { server: new URL('./server.js', import.meta.url), client: new URL('./client.js', import.meta.url) };
  const nestPlace: NestPlace = { ...place, port: port ?? (await freePort()) };
  return Pair.start({ ...programs, label: peer, arguments: [peer] }, place, nestPlace);
}

/** A Nest transport. Its broker, where it has one, runs from the first round to the last. */
export class NestSubject implements Subject {
  private broker: { readonly running: RunningBroker; readonly port: number } | undefined;

  constructor(
    readonly name: string,
    readonly quick: boolean,
  ) {}

  async unavailable(): Promise<string | undefined> {
    const broker = brokers[this.name];
    if (!broker || findProgram(broker.program)) return undefined;
    return `${broker.program} is not installed (Debian: apt-get install ${broker.debian})`;
  }

  async start(place: Place): Promise<Pair> {
    const broker = brokers[this.name];
    if (broker && !this.broker) {
      const folder = join(place.folder, 'broker');
      mkdirSync(folder);
      const port = await freePort();
      this.broker = { port, running: await broker.start(folder, port) };
    }
    return startNestPair(this.name, place, this.broker?.port);
  }

  async close(): Promise<void> {
    await this.broker?.running.stop();
    this.broker = undefined;
  }
}
