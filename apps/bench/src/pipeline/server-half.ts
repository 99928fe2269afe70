/**
 * A server's process that is fed without a wire: the real RsmServer under Nest is given, again and again, the very bytes that a real client had
 * sent it, in batches, by the call that its endpoint makes; what it settles goes nowhere. Driven by the benchmark over IPC.
 */
import 'reflect-metadata';
import { setImmediate } from 'node:timers/promises';
import { type Connection, Lane, type Listener, type MessageBatch } from '@nestjs-rsm/segments';
import { RsmClient } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { serveClient } from '../control.js';
import { FIRST_NUMBER, nestPayload } from '../payloads.js';
import { rsm } from '../nest/peers/rsm.js';
import type { NestPlace } from '../nest/peers/index.js';
import { startApp } from '../nest/serve.js';
import { EVENTS_IN_FLIGHT } from '../nest/workloads/events.js';
import type { Measures, Place } from '../suite.js';
import { checkTally, type TallyResult } from '../tally.js';

/** Events recorded: their bytes stay in the processor's cache, as those in partitions do. */
const RECORDED = 16 * EVENTS_IN_FLIGHT;

serveClient(async (place: Place) => {
  const nestPlace: NestPlace = { ...place, port: 0 };
  const app = await startApp(rsm, nestPlace);
  const { options } = rsm.client({ folder: place.folder }) as { options: ConstructorParameters<typeof RsmClient>[0] };
  const client = new RsmClient(options);
  await client.connect();
  const listener = app.unwrap<Listener>();
  const feed = new Feed(listener);

  const prepare = (payload: string): Promise<boolean> => lastValueFrom(client.send<boolean>('prepare', payload));
  const reach = (): Promise<TallyResult> => lastValueFrom(client.send<TallyResult>('reach', RECORDED));
  const record = async (payloadName: string): Promise<void> => {
    const payload = nestPayload(payloadName);
    await prepare(payloadName);
    feed.record();
    for (let i = 0; i < RECORDED; i++) {
      const message = payload.write(payload.create(), FIRST_NUMBER + i);
      await lastValueFrom(client.emit('event', message), { defaultValue: undefined });
    }
    checkTally(await reach(), RECORDED);
    feed.stop();
  };
  const measure = async (payloadName: string, time: number): Promise<Measures> => {
    const end = performance.now() + time;
    let messages = 0;
    let busy = 0;
    do {
      await prepare(payloadName);
      const start = performance.now();
      for (const batch of feed.batches()) {
        feed.give(batch);
        await setImmediate();
      }
      busy += performance.now() - start;
      checkTally(await reach(), RECORDED);
      messages += RECORDED;
    } while (performance.now() < end);
    return { values: { rate: messages / (busy / 1_000) }, messages };
  };
  return {
    run: async (_workload, payload, { warmUp, time }) => {
      await record(payload);
      await measure(payload, warmUp);
      return measure(payload, time);
    },
    open: () => Promise.reject(new Error('One connection is all there is.')),
    close: async () => {
      await client.close();
      await app.close();
    },
  };
});

interface RecordedMessage {
  readonly connection: Connection;
  readonly bytes: Buffer;
  readonly owned: boolean;
}

/** A batch of recorded messages, as an endpoint would hand it over. */
class RecordedBatch implements MessageBatch {
  readonly count: number;

  constructor(
    private readonly messages: readonly RecordedMessage[],
    private readonly arena: Buffer,
    private readonly offsets: readonly number[],
  ) {
    this.count = messages.length;
  }

  connection(i: number): Connection {
    return this.messages[i]!.connection;
  }

  delivery(): number {
    return RECORDED_DELIVERY;
  }

  lane(): Lane {
    return Lane.events;
  }

  attempt(): number {
    return 0;
  }

  buffer(): Buffer {
    return this.arena;
  }

  offset(i: number): number {
    return this.offsets[i]!;
  }

  length(i: number): number {
    return this.messages[i]!.bytes.length;
  }

  owned(): boolean {
    return false;
  }

  loaded(): boolean {
    return true;
  }

  load(): void {}

  view(): undefined {
    return undefined;
  }

  copy(i: number): Buffer {
    return Buffer.from(this.messages[i]!.bytes);
  }
}

/** The delivery of every recorded message: none that the endpoint gives. */
const RECORDED_DELIVERY = 0xffff_ffff;

/** Stands between an endpoint and its server. */
class Feed {
  private recorded: RecordedMessage[] | undefined;
  private kept: RecordedBatch[] = [];
  private readonly deliver: (batch: MessageBatch) => void;

  constructor(listener: Listener) {
    const receive = listener.onMessages.bind(listener);
    this.deliver = receive;
    listener.onMessages = (batch) => {
      if (this.recorded) this.keep(batch, this.recorded);
      receive(batch);
    };
    const settle = listener.settle.bind(listener);
    listener.settle = (delivery, ...rest) => {
      if (delivery !== RECORDED_DELIVERY) settle(delivery, ...rest);
    };
  }

  record(): void {
    this.recorded = [];
  }

  stop(): void {
    const messages = this.recorded!;
    this.recorded = undefined;
    if (messages.length !== RECORDED) throw new Error(`${messages.length} events were recorded, ${RECORDED} were sent.`);
    this.kept = [];
    for (let first = 0; first < RECORDED; first += EVENTS_IN_FLIGHT) {
      const part = messages.slice(first, first + EVENTS_IN_FLIGHT);
      let end = 0;
      const offsets = part.map(({ bytes }) => (end += bytes.length) - bytes.length);
      this.kept.push(new RecordedBatch(part, Buffer.concat(part.map(({ bytes }) => bytes)), offsets));
    }
  }

  batches(): readonly RecordedBatch[] {
    return this.kept;
  }

  give(batch: RecordedBatch): void {
    this.deliver(batch);
  }

  private keep(batch: MessageBatch, messages: RecordedMessage[]): void {
    for (let i = 0; i < batch.count; i++) {
      if (batch.lane(i) !== Lane.events) continue;
      messages.push({ connection: batch.connection(i), bytes: batch.copy(i), owned: batch.owned(i) });
    }
  }
}
