import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { FramedStream } from './length-framing.js';
import type { RawPeer } from './peer.js';

/** `net` over a Unix socket: what Node.js itself offers between two processes that are not parent and child. */
export const unixSocket: RawPeer = {
  name: 'unix-socket',

  async serve({ folder }, receive) {
    const path = join(folder, 'socket');
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy()); // a client that went away
      new FramedStream(socket, receive);
    });
    server.listen(path);
    await once(server, 'listening');
    return {
      address: { path },
      async close() {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    };
  },

  async connect(address, receive) {
    const socket = connect(String(address.path));
    await once(socket, 'connect');
    return {
      connection: new FramedStream(socket, receive),
      async close() {
        socket.destroy();
      },
    };
  },
};
