import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../free-port.js';
import { ServerProgram } from '../../server-program.js';
import type { Broker } from './broker.js';

export const rabbitmq: Broker = {
  program: 'rabbitmq-server',
  debian: 'rabbitmq-server',
  async start(folder, port) {
    const [epmdPort, distPort] = [await freePort(), await freePort()];
    const path = (name: string): string => join(folder, name);
    mkdirSync(path('home'));
    writeFileSync(path('plugins'), '[].\n');
    writeFileSync(path('rabbitmq.conf'), `listeners.tcp.1 = 127.0.0.1:${port}\ndisk_free_limit.absolute = 1MB\n`);
    // Otherwise Erlang leaves one of its own behind.
    const epmd = new ServerProgram('epmd', ['-port', String(epmdPort), '-address', '127.0.0.1']);
    try {
      await epmd.listensAt(epmdPort);
      const server = new ServerProgram(this.program, [], {
        HOME: path('home'),
        ERL_EPMD_PORT: String(epmdPort),
        RABBITMQ_NODENAME: `bench${process.pid}@localhost`,
        RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
        RABBITMQ_NODE_PORT: String(port),
        RABBITMQ_DIST_PORT: String(distPort),
        RABBITMQ_CONFIG_FILE: path('rabbitmq'),
        RABBITMQ_ENABLED_PLUGINS_FILE: path('plugins'),
        RABBITMQ_MNESIA_BASE: path('mnesia'),
        RABBITMQ_LOG_BASE: path('log'),
        RABBITMQ_PID_FILE: path('pid'),
        // Its script becomes the server, instead of waiting for it: a signal reaches the right process.
        RUNNING_UNDER_SYSTEMD: 'true',
        // Its schedulers spin before they sleep, on two cores at the others' cost.
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+sbwt none +sbwtdcpu none +sbwtdio none',
      });
      try {
        await server.listensAt(port);
      } catch (error) {
        await server.stop();
        throw error;
      }
      return {
        stop: async () => {
          await server.stop();
          await epmd.stop();
        },
      };
    } catch (error) {
      await epmd.stop();
      throw error;
    }
  },
};
