/**
 * A fixed amount of work in Node, for counting instructions: `node-work.js <folder> <count>` emits `count` events and sends an eighth as many
 * requests through Nest, client and server in this one process. Nothing polls, so that no instruction depends on time.
 */
import 'reflect-metadata';
import { RsmClient, RsmServer } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { startApp } from '../nest/serve.js';
import { FIRST_NUMBER, nestPayload } from '../payloads.js';
import { checkTally, type TallyResult } from '../tally.js';

const BATCH = 64;
const REQUESTS = 8;

const directory = process.argv[2]!;
const count = Number(process.argv[3]);
const options = { service: 'work', directory, polling: 'blocking' as const };
const peer = { name: 'work', server: () => ({ strategy: new RsmServer(options) }), client: () => ({}) as never };
const app = await startApp(peer, { folder: directory, port: 0 });
const client = new RsmClient(options);
await client.connect();

const payload = nestPayload('64B');
await lastValueFrom(client.send<boolean>('prepare', payload.name));
for (let sent = 0; sent < count; sent += BATCH) {
  const batch = Array.from({ length: BATCH }, (_, i) => payload.write(payload.create(), FIRST_NUMBER + sent + i));
  await Promise.all(batch.map((event) => lastValueFrom(client.emit('event', event), { defaultValue: undefined })));
}
const sent = Math.ceil(count / BATCH) * BATCH;
checkTally(await lastValueFrom(client.send<TallyResult>('reach', sent)), sent);
for (let i = 0; i < count / REQUESTS; i++) {
  const message = payload.write(payload.create(), FIRST_NUMBER + i);
  if (payload.numberOf(await lastValueFrom(client.send('echo', message))) !== FIRST_NUMBER + i) throw new Error('A reply is no echo.');
}
await client.close();
await app.close();
