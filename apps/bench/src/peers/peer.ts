import type { ClientProvider, ClientProxy, MicroserviceOptions } from '@nestjs/microservices';
import type { INestMicroservice } from '@nestjs/common';

/** What a client's process must know to find the server: plain JSON, it travels between processes. */
export type Address = Record<string, string | number>;

/** Where a server may put its files. */
export interface Place {
  /** An empty folder of the run, removed at its end. */
  readonly folder: string;
}

/** A transport under Nest: the lines in which its applications differ from the others'. */
export interface NestPeer {
  readonly layer: 'nest';
  readonly name: string;
  server(place: Place): MicroserviceOptions;
  /** Called once the server listens. */
  address(app: INestMicroservice, place: Place): Address;
  client(address: Address): ClientProvider;
  /** Awaited between batches of awaited emits, where an emit's completion does not say that the event has left the process. */
  room?(client: ClientProxy): Promise<void> | undefined;
}

/** Takes the message that lies in `buffer`; it is valid only during the call. */
export type RawReceiver = (connection: RawConnection, buffer: Buffer, offset: number, length: number) => void;

/** A connection that carries bytes. */
export interface RawConnection {
  /**
   * Sends a copy of `bytes`. Returns undefined where there was room, else a promise that resolves when there is room again (the message
   * is sent in any case).
   */
  send(bytes: Uint8Array, kind: 'one-way' | 'answered'): Promise<void> | undefined;
}

export interface RawEnd {
  close(): Promise<void>;
}

/** A way to send bytes between two processes, without Nest. Keeps the order of each connection. */
export interface RawPeer {
  readonly layer: 'raw';
  readonly name: string;
  serve(place: Place, receive: RawReceiver): Promise<RawEnd & { readonly address: Address }>;
  connect(address: Address, receive: RawReceiver): Promise<RawEnd & { readonly connection: RawConnection }>;
}

export type Peer = NestPeer | RawPeer;
export type Layer = Peer['layer'];
