import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ClientSession } from './client-session.js';
import type { Run } from './pair.js';
import type { ServerSession } from './server-session.js';

/** What the benchmark asks of a child process, and what comes back. */
export interface Command {
  id: number;
  name: string;
  argument: unknown;
}

export interface Reply {
  id: number;
  result?: unknown;
  error?: string;
}

/** The command after which a child ends. */
export const CLOSE = 'close';

export interface Commands {
  [name: string]: (argument: any) => unknown;
  [CLOSE]: () => unknown;
}

/** Answers the parent's commands until it says CLOSE or goes away; then this process ends. */
export function serveCommands(commands: Commands): void {
  process.on('message', async ({ id, name, argument }: Command) => {
    const reply: Reply = { id };
    try {
      reply.result = await commands[name]!(argument);
    } catch (error) {
      reply.error = error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error);
    }
    // From this end: a parent that disconnects by itself is never told of its child's 'close'.
    process.send!(reply, () => name === CLOSE && process.disconnect());
  });
  process.on('disconnect', () => process.exit());
  // The terminal sends Ctrl-C to every process of its group; the parent ends this one.
  process.on('SIGINT', () => undefined);
}

/** Collects garbage, so that what is left of memory is in use. */
function collect(): void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  gc();
  gc();
}

/** The commands of a Pair's server. */
export function serveServer(start: (argument: any) => Promise<ServerSession>): void {
  let session: ServerSession | undefined;
  serveCommands({
    start: async (argument: unknown) => (session = await start(argument)).address,
    /** CPU time used so far, µs. */
    usage: () => {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
    collect,
    [CLOSE]: () => session?.close(),
  });
}

/** The commands of a Pair's client. */
export function serveClient(start: (address: any) => Promise<ClientSession>): void {
  let session: ClientSession | undefined;
  serveCommands({
    start: async (address: unknown) => void (session = await start(address)),
    run: ({ measurement, parameter, timing }: Run) => session!.run(measurement, parameter, timing),
    open: (connections: number) => session!.open(connections),
    collect,
    [CLOSE]: () => session?.close(),
  });
}
