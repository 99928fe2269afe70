import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { type ClientProxy, ClientTCP } from '@nestjs/microservices';

/**
 * To be awaited between awaited emits: gives the event loop a turn, so that messages leave and HTTP is answered.
 *
 * An RsmClient's emit completes when the event lies in the receiver's memory, so awaiting it is enough. ClientTCP's completes at once,
 * the event still in this process: without a look at its socket everything piles up here, and beyond 128 MiB the connection is cut.
 */
export async function turn(client: ClientProxy): Promise<void> {
  if (client instanceof ClientTCP) {
    const socket = socketOf(client);
    if (socket?.writableNeedDrain && !socket.destroyed) {
      await drainedOrClosed(socket);
    }
  }
  await setImmediate();
}

/** None while it is not connected: unwrap() throws then. */
function socketOf(client: ClientTCP): Socket | undefined {
  try {
    return client.unwrap<Socket>();
  } catch {
    return undefined;
  }
}

function drainedOrClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      socket.off('drain', end).off('close', end);
      resolve();
    };
    socket.on('drain', end).on('close', end);
  });
}
