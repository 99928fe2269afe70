import { type Connection, Connector, type Endpoint, Lane, Listener, Outcome, type Polling, type SendWatcher } from '@nestjs-rsm/segments';
import type { RawConnection, RawLoan, RawPeer, RawReceiver } from './peer.js';

const service = 'bench-segments';
/** Bytes from which messages are looked at in place. */
const IN_PLACE = 32_768;

/**
 * The channels under the transport. One-way messages are settled by their handler, as events are; answered ones are of the immediate lane. `inPlace`: one-way messages
 * are loans where they are sent, and views where they arrive.
 */
export function segments(name: string, polling: Polling, inPlace = false): RawPeer {
  return {
    name,

    async serve({ folder }, receive) {
      const listener = new Listener({ service, directory: folder, polling });
      if (inPlace) listener.deferCopies(IN_PLACE);
      receiveInto(listener, receive);
      await listener.listen();
      return { address: { folder }, close: () => listener.close() };
    },

    async connect(address, receive) {
      const connector = new Connector({ service, directory: String(address.folder), polling });
      receiveInto(connector, receive);
      await connector.ready();
      const [connection] = connector.connections;
      if (inPlace) connection!.data = new LendingConnection(connection!);
      return { connection: rawConnection(connection!), close: () => connector.close() };
    },
  };
}

function receiveInto(endpoint: Endpoint, receive: RawReceiver): void {
  endpoint.onMessages = (batch) => {
    for (let i = 0; i < batch.count; i++) {
      const view = batch.loaded(i) ? undefined : batch.view(i, 0, batch.length(i));
      if (view) receive(rawConnection(batch.connection(i)), view, 0, view.length);
      else receive(rawConnection(batch.connection(i)), batch.buffer(i), batch.offset(i), batch.length(i));
      if (batch.lane(i) !== Lane.immediate) endpoint.settle(batch.delivery(i), Outcome.done);
    }
  };
}

function rawConnection(connection: Connection): SegmentsConnection {
  return (connection.data ??= new SegmentsConnection(connection)) as SegmentsConnection;
}

class SegmentsConnection implements RawConnection {
  private queued = 0;
  private room: Promise<void> | undefined;
  private resolveRoom: (() => void) | undefined;
  private rejectRoom: ((error: Error) => void) | undefined;

  /** One for all messages: only the number of those that wait matters. */
  private readonly watcher: SendWatcher = {
    committed: () => {
      if (--this.queued === 0) {
        this.resolveRoom!();
        this.room = undefined;
      }
    },
    failed: (error) => this.rejectRoom!(error),
  };

  constructor(protected readonly connection: Connection) {}

  send(bytes: Uint8Array, kind: 'one-way' | 'answered'): Promise<void> | undefined {
    const lane = kind === 'one-way' ? Lane.events : Lane.immediate;
    if (this.connection.send(lane, 0, bytes, this.watcher) > 0) return undefined;
    this.queued++;
    this.room ??= new Promise((resolve, reject) => {
      this.resolveRoom = resolve;
      this.rejectRoom = reject;
    });
    return this.room;
  }

  sendBatch(packed: Uint8Array, lengths: Uint32Array, first: number): number {
    return this.connection.sendBatch(Lane.events, packed, lengths, first);
  }
}

class LendingConnection extends SegmentsConnection {
  async lend(bytes: number): Promise<RawLoan> {
    const loan = await this.connection.loan(bytes);
    return { buffer: loan.buffer, send: () => void loan.send(Lane.events) };
  }
}
