import { limits, type Ring } from '../limits-addon.js';
import type { RawConnection, RawPeer, RawReceiver } from './peer.js';

/** Words of one row of the ring's table: offset is the fifth, length the sixth. */
const ROW = 8;
/** Bytes of the memory of both directions: as much for each as the default segments reserve. */
const MEMORY = 16 * 1024 * 1024;

/** The least that could carry messages through shared memory: a bare ring through the same binding, always polled. */
export const ring: RawPeer = {
  name: 'ring',

  async serve(_place, receive) {
    const memory = limits().createMemory(MEMORY);
    const connection = new RingConnection(`/proc/self/fd/${memory}`, 0, receive);
    return { address: { path: `/proc/${process.pid}/fd/${memory}` }, close: async () => connection.close() };
  },

  async connect(address, receive) {
    const connection = new RingConnection(String(address.path), 1, receive);
    return { connection, close: async () => connection.close() };
  },
};

class RingConnection implements RawConnection {
  private readonly ring: Ring;
  private readonly queue: Uint8Array[] = [];
  private room: Promise<void> | undefined;

  constructor(path: string, end: 0 | 1, receive: RawReceiver) {
    this.ring = new (limits().Ring)(path, MEMORY, end, (count, arena) => {
      for (let i = 0; i < count; i++) receive(this, arena, table[i * ROW + 4]!, table[i * ROW + 5]!);
    });
    const { table } = this.ring;
  }

  send(bytes: Uint8Array): Promise<void> | undefined {
    if (this.queue.length === 0 && this.ring.send(bytes)) return undefined;
    this.queue.push(Buffer.from(bytes));
    this.room ??= this.drained();
    return this.room;
  }

  sendBatch(packed: Uint8Array, lengths: Uint32Array, first: number): number {
    return this.queue.length === 0 ? this.ring.sendBatch(packed, lengths, first) : 0;
  }

  close(): void {
    this.ring.close();
  }

  private async drained(): Promise<void> {
    while (this.queue.length > 0) {
      await new Promise(setImmediate);
      while (this.queue.length > 0 && this.ring.send(this.queue[0]!)) this.queue.shift();
    }
    this.room = undefined;
  }
}
