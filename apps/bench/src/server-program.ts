import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds. */
const START_TIMEOUT = 60_000;
const STOP_TIMEOUT = 10_000;
const KEPT_OUTPUT = 2_000;
/** Past Debian's wrapper for RabbitMQ, which gives it to another user; and where Debian puts servers, whatever a user's PATH has. */
const FOLDERS = ['/usr/lib/rabbitmq/bin', ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];

/** The path of an installed program; undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  return FOLDERS.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Another project's server, a process of ours until stop(). It ends with this process, however that ends. */
export class ServerProgram {
  private static readonly running = new Set<ServerProgram>();
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private output = '';

  constructor(
    private readonly name: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
  ) {
    const program = findProgram(name);
    if (!program) throw new Error(`${name} is not installed.`);
    const setpriv = findProgram('setpriv');
    const command = [...(setpriv ? [setpriv, '--pdeathsig', 'TERM'] : []), program, ...args];
    this.child = spawn(command[0]!, command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Ctrl-C reaches the benchmark, which ends this one after its clients.
      detached: true,
      env: { ...process.env, ...environment },
    });
    ServerProgram.running.add(this);
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (text: Buffer) => (this.output = (this.output + text.toString()).slice(-KEPT_OUTPUT)));
    }
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        ServerProgram.running.delete(this);
        resolve();
      };
      this.child.once('close', end);
      this.child.once('error', end);
    });
  }

  /** Ends every server at once. */
  static killAll(): void {
    for (const { child } of ServerProgram.running) child.kill('SIGKILL');
  }

  /** Resolves when it accepts connections at this port of 127.0.0.1. */
  async listensAt(port: number): Promise<void> {
    const end = performance.now() + START_TIMEOUT;
    while (!(await accepts(port))) {
      if (!ServerProgram.running.has(this)) throw new Error(`${this.name} ended before it served.\n${this.output}`);
      if (performance.now() > end) throw new Error(`${this.name} did not serve within ${START_TIMEOUT} ms.\n${this.output}`);
      await sleep(50);
    }
  }

  async stop(): Promise<void> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_TIMEOUT);
    if (ServerProgram.running.has(this)) this.child.kill('SIGTERM');
    await this.ended;
    clearTimeout(timer);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
