/**
 * A client's process whose events end at the connection: the real RsmClient, connected to a real server, does all that an emit costs (route,
 * codec, frame, Observable), but Connection.send takes each event for committed and copies nothing. Driven by the benchmark over IPC.
 */
import 'reflect-metadata';
import { setImmediate } from 'node:timers/promises';
import { type Connector, Lane } from '@nestjs-rsm/segments';
import { RsmClient } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { serveClient } from '../control.js';
import { nestPayload } from '../payloads.js';
import type { Address } from '../nest/peers/index.js';
import { rsm } from '../nest/peers/rsm.js';
import type { Measures } from '../suite.js';
import { emitFor } from '../nest/workloads/events.js';

serveClient(async (address: Address) => {
  const { options } = rsm.client(address) as { options: ConstructorParameters<typeof RsmClient>[0] };
  const client = new RsmClient(options);
  await client.connect();
  const sink = new NullSink(client);
  const measure = async (payloadName: string, time: number): Promise<Measures> => {
    const before = sink.taken;
    const start = performance.now();
    const sent = await emitFor(time, client, nestPayload(payloadName), () => undefined);
    const seconds = (performance.now() - start) / 1_000;
    if (sink.taken - before !== sent) throw new Error(`${sent} events were emitted, ${sink.taken - before} reached the sink.`);
    return { values: { rate: sent / seconds }, messages: sent };
  };
  return {
    run: async (_workload, payload, { warmUp, time }) => {
      // Announces the route, which is no event.
      await lastValueFrom(client.emit('event', nestPayload(payload).create()), { defaultValue: undefined });
      await setImmediate();
      await measure(payload, warmUp);
      return measure(payload, time);
    },
    open: () => Promise.reject(new Error('One connection is all there is.')),
    close: () => client.close(),
  };
});

/** Takes the events of a connected client. */
class NullSink {
  taken = 0;

  constructor(client: RsmClient) {
    const [connection] = client.unwrap<Connector>().connections;
    const send = connection!.send.bind(connection);
    connection!.send = (lane, ...rest) => (lane === Lane.events ? ++this.taken : send(lane, ...rest));
  }
}
