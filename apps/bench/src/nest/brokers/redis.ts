import { ServerProgram } from '../../server-program.js';
import type { Broker } from './broker.js';

export const redis: Broker = {
  program: 'redis-server',
  debian: 'redis-server',
  async start(folder, port) {
    const options = {
      bind: '127.0.0.1',
      port: String(port),
      dir: folder,
      save: '',
      appendonly: 'no',
      // By default a subscriber that is 32 MiB behind is thrown out, its messages lost.
      'client-output-buffer-limit': 'pubsub 0 0 0',
    };
    const server = new ServerProgram(
      this.program,
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    );
    await server.listensAt(port);
    return server;
  },
};
