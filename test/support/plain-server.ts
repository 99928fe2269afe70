import type { MessageHandler } from '@nestjs/microservices';
import { RsmServer, type RsmServerOptions } from 'nestjs-rsm';

export interface PlainHandler {
  readonly pattern: string;
  /** Default: a message handler. */
  readonly isEvent?: boolean;
  readonly extras?: Record<string, unknown>;
  readonly handle: (data: any) => unknown;
}

/** An RsmServer in the test's own process, without a Nest application around it: for what only its inside shows. */
export async function startPlainServer(options: RsmServerOptions, ...handlers: PlainHandler[]): Promise<RsmServer> {
  const server = new RsmServer(options);
  for (const { pattern, isEvent = false, extras = {}, handle } of handlers) {
    server.addHandler(pattern, (async (data: unknown) => handle(data)) as MessageHandler, isEvent, extras);
  }
  await listen(server);
  return server;
}

export function listen(server: RsmServer): Promise<void> {
  return new Promise((resolve, reject) => server.listen((error) => (error === undefined ? resolve() : reject(error as Error))));
}
