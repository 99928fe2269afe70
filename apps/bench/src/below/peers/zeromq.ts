import { join } from 'node:path';
import { Pair } from 'zeromq';
import type { RawConnection, RawEnd, RawPeer, RawReceiver } from './peer.js';

/** Messages that wait in each direction before send() does. */
const HIGH_WATER_MARK = 10_000;

/** zeromq over ipc://, a pair of sockets. */
export const zeromq: RawPeer = {
  name: 'zeromq',

  async serve({ folder }, receive) {
    const path = `ipc://${join(folder, 'zeromq')}`;
    const socket = newSocket();
    await socket.bind(path);
    return { address: { path }, close: open(socket, receive).close };
  },

  async connect(address, receive) {
    const socket = newSocket();
    socket.connect(String(address.path));
    return open(socket, receive);
  },
};

function newSocket(): Pair {
  return new Pair({ sendHighWaterMark: HIGH_WATER_MARK, receiveHighWaterMark: HIGH_WATER_MARK, linger: 0 });
}

function open(socket: Pair, receive: RawReceiver): RawEnd & { readonly connection: RawConnection } {
  // One send at a time is all that a socket takes; the bytes are copied, for zeromq keeps them until they have left.
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  const connection: RawConnection = {
    send(bytes) {
      const copy = Buffer.from(bytes);
      last = waiting++ === 0 ? socket.send(copy) : last.then(() => socket.send(copy));
      last = last.then(() => void waiting--);
      return last;
    },
  };
  void (async () => {
    for await (const [message] of socket) receive(connection, message!, 0, message!.length);
  })();
  return {
    connection,
    async close() {
      socket.close();
    },
  };
}
