import type { Connection } from '@nestjs-rsm/segments';
import type { ServerConnection } from './server-connection.js';
import type { ServerRuntime } from './server-runtime.js';

/**
 * Brings a server to rest: nothing new is begun, the unstarted goes back to its living senders, what runs and what departed senders left is finished, replies are
 * flushed. Resolves when all that is done or `timeout` milliseconds have passed; what is left then is logged.
 */
export async function drainServer(runtime: ServerRuntime, timeout: number): Promise<void> {
  const { listener } = runtime;
  runtime.draining = true;
  listener.beginDrain();
  for (const limit of runtime.registry.handlerLimits()) {
    limit.parked().forEach((parked) => parked.returnUnstarted());
  }
  runtime.delayed.forEach((now) => now());
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<true>((resolve) => {
    timer = setTimeout(resolve, timeout, true);
  });
  const late = await Promise.race([rest(runtime), timedOut]);
  clearTimeout(timer);
  if (late) {
    runtime.logger.warn(
      `drain(): ${runtime.active} messages were still in their handlers after ${timeout} ms (drainTimeout). Their events are delivered again by their senders; their requests fail.`,
    );
  }
}

async function rest(runtime: ServerRuntime): Promise<undefined> {
  const { listener } = runtime;
  for (;;) {
    await runtime.idle();
    const departed = [...listener.connections].filter((connection) => !connection.open);
    if (departed.length > 0) {
      // Closed once everything that it had committed is settled.
      await new Promise<void>((resolve) => listener.once('closed', () => resolve()));
    } else if (runtime.active === 0) {
      await Promise.allSettled(
        [...listener.connections].map((connection: Connection) => (connection.data as ServerConnection).replies.flushed()),
      );
      return undefined;
    }
  }
}
