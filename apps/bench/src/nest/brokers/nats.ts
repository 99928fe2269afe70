import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServerProgram } from '../../server-program.js';
import type { Broker } from './broker.js';

export const nats: Broker = {
  program: 'nats-server',
  debian: 'nats-server',
  async start(folder, port) {
    const path = join(folder, 'nats.conf');
    // By default a message has 1 MiB at most, and a subscriber that is 64 MiB behind is thrown out, its messages lost.
    writeFileSync(path, `listen: "127.0.0.1:${port}"\nmax_payload: 33554432\nmax_pending: 1073741824\nwrite_deadline: "60s"\n`);
    const server = new ServerProgram(this.program, ['-c', path]);
    await server.listensAt(port);
    return server;
  },
};
