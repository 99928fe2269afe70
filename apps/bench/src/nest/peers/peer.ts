import type { INestMicroservice, Type } from '@nestjs/common';
import type { ClientProvider, ClientProxy, MicroserviceOptions } from '@nestjs/microservices';
import type { Observable } from 'rxjs';
import type { Place } from '../../suite.js';

/** What a client's process must know to find the server: plain JSON, it travels between processes. */
export type Address = Record<string, string | number>;

/** Where a server is to serve. */
export interface NestPlace extends Place {
  /** A TCP port that is free; of a peer with a broker: the broker's. */
  readonly port: number;
}

/** What the workloads need of a client. */
export interface BenchClient {
  send<T>(pattern: string, data: unknown): Observable<T>;
  emit<T>(pattern: string, data: unknown): Observable<T>;
}

/** A transport under Nest: the lines in which its applications differ from the others'. */
export interface NestPeer {
  readonly name: string;
  /** Instead of BenchController, where a transport needs another kind. */
  readonly controller?: Type;
  server(place: NestPlace): MicroserviceOptions;
  /** Called once the server listens. Without this: the place's folder and port. */
  address?(app: INestMicroservice): Address;
  client(address: Address): ClientProvider;
  /** Where a transport's client is no ClientProxy. Without this: client.connect(). */
  connect?(client: unknown): Promise<BenchClient>;
  /** Awaited between batches of awaited emits, where an emit's completion does not say that the event has left the process. */
  room?(client: ClientProxy): Promise<void> | undefined;
}
