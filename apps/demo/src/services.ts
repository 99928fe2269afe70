import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import type { TransportName } from './results.js';
import { ServiceProcess } from './service-process.js';

/** The consumer of the events. */
const CONSUMER = 'delays';
/** In the order in which they start; the gateway, which asks the others, ends first. */
const NAMES = [CONSUMER, 'lookups', 'gateway'];

/** The three sample services over one transport, with a folder of their own for it. */
export class Services {
  /** Rejects when one of the services ends by itself. */
  readonly failed: Promise<never>;

  private readonly processes = new Map<string, ServiceProcess>();
  private fail!: (error: Error) => void;

  private constructor(
    readonly url: string,
    private readonly directory: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {
    this.failed = new Promise((_, reject) => (this.fail = reject));
    this.failed.catch(() => undefined);
    NAMES.forEach((name) => this.spawn(name));
  }

  /** Starts them. `httpPort` 0: any free one. */
  static async start(transport: TransportName, httpPort: number): Promise<Services> {
    const ports = {
      PORT: httpPort || (await freePort()),
      DELAYS_PORT: await freePort(),
      LOOKUPS_PORT: await freePort(),
      GATEWAY_PORT: await freePort(),
    };
    const directory = mkdtempSync(join(tmpdir(), 'rsm-demo-'));
    const sockets = join(directory, 'rsm');
    mkdirSync(sockets, { mode: 0o700 });
    const env: NodeJS.ProcessEnv = { TRANSPORT: transport, RSM_DIRECTORY: sockets };
    for (const [name, port] of Object.entries(ports)) {
      env[name] = String(port);
    }
    return new Services(`http://127.0.0.1:${ports.PORT}`, directory, env);
  }

  /** Resolves when all of them take messages. */
  async ready(): Promise<void> {
    await Promise.all([...this.processes.values()].map((process) => process.ready()));
  }

  /** Replaces the consumer, in good order, by one that keeps a journal of what it has counted. */
  async keepJournal(): Promise<void> {
    const complaint = await this.consumer.stop();
    if (complaint) {
      throw new Error(complaint);
    }
    this.env.DELAYS_JOURNAL = join(this.directory, 'delays.journal');
    await this.spawn(CONSUMER).ready();
  }

  /** Kills the consumer with -9 and starts a successor as soon as it has ended, as a supervisor would. Both times in milliseconds since 1970. */
  async killConsumer(): Promise<{ killedAt: number; successorReadyAt: number }> {
    const killedAt = Date.now();
    this.consumer.kill();
    await this.consumer.ended;
    await this.spawn(CONSUMER).ready();
    return { killedAt, successorReadyAt: Date.now() };
  }

  /** Ends the gateway first, then those it asks. Answers what was wrong with their ends. */
  async stop(): Promise<string[]> {
    const complaints: (string | undefined)[] = [];
    for (const process of [...this.processes.values()].reverse()) {
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

  private get consumer(): ServiceProcess {
    return this.processes.get(CONSUMER)!;
  }

  /** In place of a predecessor of that name, if there was one. */
  private spawn(name: string): ServiceProcess {
    const process = new ServiceProcess(name, this.env);
    process.failed.catch(this.fail);
    this.processes.set(name, process);
    return process;
  }
}
