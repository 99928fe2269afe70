import { once } from 'node:events';
import { MessageChannel, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads';
import type { RawConnection, RawPeer, RawReceiver } from './peer.js';

/** Messages on the way before a sender waits for the other side's word: a port itself has no limit. */
const WINDOW = 4_096;
const WINDOW_BYTES = 8 * 1024 * 1024;

/** A MessagePort between two threads of one process, the client's; the benchmark's server has nothing to do. */
export const messagePort: RawPeer = {
  name: 'message-port',

  async serve() {
    return { address: {}, close: async () => undefined };
  },

  async connect(_address, receive) {
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(new URL('../answer.js', import.meta.url), {
      argv: [answeringEnd.name],
      workerData: { port: port2 },
      transferList: [port2],
    });
    await once(worker, 'message'); // it listens
    return {
      connection: new PortConnection(port1, receive),
      async close() {
        await worker.terminate();
      },
    };
  },
};

/** The worker's end. */
export const answeringEnd: RawPeer = {
  name: 'message-port-worker',

  async serve(_place, receive) {
    new PortConnection((workerData as { port: MessagePort }).port, receive);
    parentPort!.postMessage('listening');
    return { address: {}, close: async () => undefined };
  },

  connect() {
    throw new Error('The worker is started by connect() of message-port.');
  },
};

class PortConnection implements RawConnection {
  private messages = 0;
  private bytes = 0;
  private room: (() => void) | undefined;

  constructor(
    private readonly port: MessagePort,
    receive: RawReceiver,
  ) {
    port.on('message', (message: Uint8Array | null) => {
      if (message) return receive(this, Buffer.from(message.buffer, message.byteOffset, message.byteLength), 0, message.byteLength);
      // The other side has read the whole window; null is also what asks for that word.
      if (this.room) this.room();
      else port.postMessage(null);
    });
  }

  send(bytes: Uint8Array): Promise<void> | undefined {
    this.port.postMessage(bytes);
    this.bytes += bytes.length;
    if (++this.messages < WINDOW && this.bytes < WINDOW_BYTES) return undefined;
    this.messages = this.bytes = 0;
    this.port.postMessage(null);
    return new Promise((resolve) => {
      this.room = () => {
        this.room = undefined;
        resolve();
      };
    });
  }
}
