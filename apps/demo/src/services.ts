import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import type { TransportName } from './results.js';
import { ServiceProcess } from './service-process.js';

/** The three sample services over one transport, with a folder of their own for it. */
export class Services {
  private constructor(
    readonly url: string,
    private readonly directory: string,
    private readonly processes: ServiceProcess[],
  ) {}

  /** Starts them. `httpPort` 0: any free one. */
  static async start(transport: TransportName, httpPort: number): Promise<Services> {
    const ports = {
      PORT: httpPort || (await freePort()),
      DELAYS_PORT: await freePort(),
      LOOKUPS_PORT: await freePort(),
      GATEWAY_PORT: await freePort(),
    };
    const directory = mkdtempSync(join(tmpdir(), 'rsm-demo-'));
    const env: NodeJS.ProcessEnv = { TRANSPORT: transport, RSM_DIRECTORY: directory };
    for (const [name, port] of Object.entries(ports)) {
      env[name] = String(port);
    }
    const processes = ['delays', 'lookups', 'gateway'].map((name) => new ServiceProcess(name, env));
    return new Services(`http://127.0.0.1:${ports.PORT}`, directory, processes);
  }

  /** Resolves when all of them take messages. */
  async ready(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.ready()));
  }

  /** Rejects when one of the services ends by itself. */
  get failed(): Promise<never> {
    return Promise.race(this.processes.map((process) => process.failed));
  }

  /** Ends the gateway first, then those it asks. Answers what was wrong with their ends. */
  async stop(): Promise<string[]> {
    const complaints: (string | undefined)[] = [];
    for (const process of [...this.processes].reverse()) {
      complaints.push(await process.stop());
    }
    rmSync(this.directory, { recursive: true, force: true });
    return complaints.filter((complaint) => complaint !== undefined);
  }

  /** Ends everything at once, without waiting. */
  kill(): void {
    this.processes.forEach((process) => process.kill());
    rmSync(this.directory, { recursive: true, force: true });
  }
}
