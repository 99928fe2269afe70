import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Milliseconds for a service to say that it is ready, and to end after SIGTERM. */
const START_TIMEOUT = 30_000;
const STOP_TIMEOUT = 15_000;
/** Characters of output kept, to be shown when a service fails. */
const KEPT_OUTPUT = 4_000;

/** A sample service as a process of its own. */
export class ServiceProcess {
  /** Rejects when the process ends without having been told to. */
  readonly failed: Promise<never>;

  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>;

  private readonly child: ChildProcess;
  private output = '';
  private stopping = false;

  /** Starts apps/<name>/dist/main.js with `env` added to the environment. */
  constructor(
    readonly name: string,
    env: NodeJS.ProcessEnv,
  ) {
    const main = fileURLToPath(new URL(`../../${name}/dist/main.js`, import.meta.url));
    this.child = spawn(process.execPath, [main], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.child.stdout?.on('data', (text: Buffer) => this.keep(text));
    this.child.stderr?.on('data', (text: Buffer) => this.keep(text));
    this.ended = new Promise((resolve) => this.child.once('close', () => resolve()));
    this.failed = new Promise((_, reject) => {
      this.child.once('error', reject);
      this.child.once('close', () => {
        if (!this.stopping) {
          reject(new Error(`${this.describeEnd()}; its last output:\n${this.output}`));
        }
      });
    });
    // Whoever waits for this service hears of it; when nobody does, it is no unhandled rejection.
    this.failed.catch(() => undefined);
  }

  /** Resolves when the service takes messages. */
  async ready(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const ready = new Promise<void>((resolve, reject) => {
      this.child.once('message', () => resolve());
      timer = setTimeout(() => reject(new Error(`${this.name} was not ready after ${START_TIMEOUT} ms`)), START_TIMEOUT);
    });
    try {
      await Promise.race([ready, this.failed]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks the process to end and waits for it; one that does not is killed. Says what was wrong with its end, if anything. */
  async stop(): Promise<string | undefined> {
    if (this.running) {
      this.stopping = true;
      this.child.kill('SIGTERM');
    }
    const timer = setTimeout(() => this.kill(), STOP_TIMEOUT);
    await this.ended;
    clearTimeout(timer);
    return this.child.exitCode === 0 ? undefined : `${this.describeEnd()} when it was to stop; its last output:\n${this.output}`;
  }

  /** Ends the process at once. */
  kill(): void {
    if (this.running) {
      this.stopping = true;
      this.child.kill('SIGKILL');
    }
  }

  private get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  private describeEnd(): string {
    return `${this.name} ended with ${this.child.signalCode ?? `code ${this.child.exitCode}`}`;
  }

  private keep(text: Buffer): void {
    this.output = (this.output + text.toString()).slice(-KEPT_OUTPUT);
  }
}
