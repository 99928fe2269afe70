import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { FramedStream } from './length-framing.js';
import type { RawPeer } from './peer.js';

const DESCRIPTOR = 4;

/** A bare pipe of Node.js between a parent and its child. The client is the parent; the benchmark's server has nothing to do. */
export const pipe: RawPeer = {
  name: 'pipe',

  async serve() {
    return { address: {}, close: async () => undefined };
  },

  async connect(_address, receive) {
    const child = fork(fileURLToPath(new URL('../answer.js', import.meta.url)), [answeringEnd.name], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'],
    });
    await once(child, 'message'); // it listens
    return {
      connection: new FramedStream(child.stdio[DESCRIPTOR] as Duplex, receive),
      async close() {
        child.disconnect();
        await once(child, 'exit');
      },
    };
  },
};

/** The child's end. */
export const answeringEnd: RawPeer = {
  name: 'pipe-child',

  async serve(_place, receive) {
    const socket = new Socket({ fd: DESCRIPTOR, readable: true, writable: true });
    new FramedStream(socket, receive);
    process.on('disconnect', () => process.exit());
    process.send!('listening');
    return { address: {}, close: async () => undefined };
  },

  connect() {
    throw new Error('The child is started by connect() of pipe.');
  },
};
