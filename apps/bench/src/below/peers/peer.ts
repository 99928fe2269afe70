import type { Place } from '../../suite.js';

/** What a client's process must know to find the server: plain JSON, it travels between processes. */
export type Address = Record<string, string | number>;

/** Takes the message that lies in `buffer`; it is valid only during the call. */
export type RawReceiver = (connection: RawConnection, buffer: Buffer, offset: number, length: number) => void;

/** A connection that carries bytes. */
export interface RawConnection {
  /**
   * Sends a copy of `bytes`. Returns undefined where there was room, else a promise that resolves when there is room again (the message
   * is sent in any case).
   */
  send(bytes: Uint8Array, kind: 'one-way' | 'answered'): Promise<void> | undefined;
  /**
   * Sends messages that lie one after another, lengths[i] bytes each, from the index `first` on; returns for how many there was room. Only where
   * a peer has such a call.
   */
  sendBatch?(packed: Uint8Array, lengths: Uint32Array, first: number): number;
  /** Memory for a one-way message of so many bytes, to be filled where it is; waits for room. Only where a peer has such a call: it is used in place of send() then. */
  lend?(bytes: number): Promise<RawLoan>;
}

/** Memory of the receiver. */
export interface RawLoan {
  readonly buffer: Buffer;
  /** Sends what was filled. */
  send(): void;
}

export interface RawEnd {
  close(): Promise<void>;
}

/** A way to send bytes between two processes, without Nest. Keeps the order of each connection. */
export interface RawPeer {
  readonly name: string;
  serve(place: Place, receive: RawReceiver): Promise<RawEnd & { readonly address: Address }>;
  connect(address: Address, receive: RawReceiver): Promise<RawEnd & { readonly connection: RawConnection }>;
}
