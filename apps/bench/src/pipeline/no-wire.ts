/**
 * Nest's pipeline without a wire: its own Server and ClientProxy in one process, objects handed from one to the other as they are. What any
 * transport of Nest adds comes on top of this. Driven by the benchmark over IPC.
 */
import 'reflect-metadata';
import {
  BaseRpcContext,
  ClientProxy,
  type CustomTransportStrategy,
  type ReadPacket,
  Server,
  type WritePacket,
} from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { serveClient } from '../control.js';
import type { NestPlace } from '../nest/peers/index.js';
import { startApp } from '../nest/serve.js';
import { nestWorkloads } from '../nest/workloads/index.js';
import { nestPayload } from '../payloads.js';
import type { Measures, Place } from '../suite.js';
import { workloadNamed } from '../workload.js';

serveClient(async (place: Place) => {
  const strategy = new DirectServer();
  const nestPlace: NestPlace = { ...place, port: 0 };
  const app = await startApp({ name: 'no-wire', server: () => ({ strategy }), client: () => ({}) as never }, nestPlace);
  const client = new DirectClient(strategy);
  return {
    run: async (workload, payloadName, { warmUp, time }) => {
      const measure = async (milliseconds: number): Promise<Measures> => {
        await lastValueFrom(client.send<boolean>('prepare', payloadName));
        const payload = nestPayload(payloadName);
        return workloadNamed(nestWorkloads, workload).run({ client, payload, time: milliseconds, room: () => undefined });
      };
      await measure(warmUp);
      return measure(time);
    },
    open: () => Promise.reject(new Error('There are no connections.')),
    close: () => app.close(),
  };
});

class DirectServer extends Server implements CustomTransportStrategy {
  listen(callback: () => void): void {
    callback();
  }

  close(): void {}

  on(): void {}

  unwrap<T>(): T {
    return this as unknown as T;
  }

  take(packet: ReadPacket, respond: (packet: WritePacket) => void): void {
    const context = new BaseRpcContext([]);
    const pattern = packet.pattern as string;
    const handler = this.getHandlerByPattern(pattern)!;
    this.handleRequest(context, async () => this.transformToObservable(await handler(packet.data, context)), respond);
  }

  takeEvent(packet: ReadPacket): Promise<unknown> {
    return this.handleEvent(packet.pattern as string, packet, new BaseRpcContext([]));
  }
}

class DirectClient extends ClientProxy {
  constructor(private readonly server: DirectServer) {
    super();
  }

  async connect(): Promise<void> {}

  async close(): Promise<void> {}

  override on(): void {}

  unwrap<T>(): T {
    return this as unknown as T;
  }

  protected publish(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    this.server.take({ ...packet, pattern: this.normalizePattern(packet.pattern) }, callback);
    return () => undefined;
  }

  protected dispatchEvent<T>(packet: ReadPacket): Promise<T> {
    return this.server.takeEvent({ ...packet, pattern: this.normalizePattern(packet.pattern) }) as Promise<T>;
  }
}
