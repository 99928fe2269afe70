import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { RawConnection, RawPeer, RawReceiver } from './peer.js';

/** `process.send` between a parent and its child. The client is the parent: its child answers, and the benchmark's server has nothing to do. */
export const processSend: RawPeer = {
  name: 'process.send',

  async serve() {
    return { address: {}, close: async () => undefined };
  },

  async connect(_address, receive) {
    const child = fork(fileURLToPath(new URL('../answer.js', import.meta.url)), [answeringEnd.name], { serialization: 'advanced' });
    await once(child, 'message'); // it listens
    const connection = sender((bytes, sent) => child.send(bytes, sent));
    child.on('message', (bytes: Uint8Array) => take(connection, bytes, receive));
    return {
      connection,
      async close() {
        child.disconnect();
        await once(child, 'exit');
      },
    };
  },
};

/** The child's end. */
export const answeringEnd: RawPeer = {
  name: 'process.send-child',

  async serve(_place, receive) {
    const connection = sender((bytes, sent) => process.send!(bytes, undefined, undefined, sent));
    process.on('message', (bytes: Uint8Array) => take(connection, bytes, receive));
    process.send!('listening');
    return { address: {}, close: async () => undefined };
  },

  connect() {
    throw new Error('The child is started by connect() of process.send.');
  },
};

type Send = (bytes: Uint8Array, sent: (error: Error | null) => void) => boolean;

function sender(send: Send): RawConnection {
  return {
    send(bytes) {
      let room: (() => void) | undefined;
      // False: the channel's buffer is above its limit. There is no event for room, only the callback of each message.
      const below = send(bytes, () => room?.());
      return below ? undefined : new Promise((resolve) => (room = resolve));
    },
  };
}

function take(connection: RawConnection, bytes: Uint8Array, receive: RawReceiver): void {
  receive(connection, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.byteLength);
}
