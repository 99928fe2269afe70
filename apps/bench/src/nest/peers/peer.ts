import type { ClientProvider, ClientProxy, MicroserviceOptions } from '@nestjs/microservices';
import type { INestMicroservice } from '@nestjs/common';
import type { Place } from '../../suite.js';

/** What a client's process must know to find the server: plain JSON, it travels between processes. */
export type Address = Record<string, string | number>;

/** A transport under Nest: the lines in which its applications differ from the others'. */
export interface NestPeer {
  readonly name: string;
  server(place: Place): MicroserviceOptions;
  /** Called once the server listens. */
  address(app: INestMicroservice, place: Place): Address;
  client(address: Address): ClientProvider;
  /** Awaited between batches of awaited emits, where an emit's completion does not say that the event has left the process. */
  room?(client: ClientProxy): Promise<void> | undefined;
}
