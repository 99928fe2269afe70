import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CLOSE, type Command, type Reply } from './control.js';

/** Milliseconds for one command, beside what it is asked to take. */
const COMMAND_TIMEOUT = 60_000;
const STOP_TIMEOUT = 5_000;
/** Characters of output kept, to be shown when a child fails. */
const KEPT_OUTPUT = 4_000;

interface Waiting {
  resolve(result: any): void;
  reject(error: Error): void;
}

export interface ChildOptions {
  /** A JavaScript file that calls serveCommands. */
  readonly program: URL;
  readonly arguments?: readonly string[];
  /** In messages to people, and of the CPU profile. */
  readonly label: string;
  /** Runs on these cores only, as taskset's -c takes them. */
  readonly cores?: string;
  /** A folder into which the child writes its CPU profile. */
  readonly cpuProfiles?: string;
  /** For Node itself. */
  readonly execArgv?: readonly string[];
}

/** A program of the benchmark, in a process of its own. */
export class BenchChild {
  private static readonly running = new Set<BenchChild>();

  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private output = '';

  constructor(private readonly options: ChildOptions) {
    const { program, label, cores, cpuProfiles } = options;
    const name = label.replaceAll(/[^\w.]+/g, '-');
    const profile = cpuProfiles ? ['--cpu-prof', `--cpu-prof-dir=${cpuProfiles}`, `--cpu-prof-name=${name}.cpuprofile`] : [];
    const node = [...process.execArgv, ...(options.execArgv ?? []), ...profile];
    this.child = fork(fileURLToPath(program), options.arguments ?? [], {
      ...(cores ? { execPath: 'taskset', execArgv: ['-c', cores, process.execPath, ...node] } : { execArgv: node }),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    BenchChild.running.add(this);
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (text: Buffer) => (this.output = (this.output + text.toString()).slice(-KEPT_OUTPUT)));
    }
    this.child.on('message', (reply: Reply) => this.take(reply));
    this.ended = new Promise((resolve) => this.child.once('close', () => resolve()));
    this.child.once('error', (error) => this.failAll(error));
    this.child.once('close', () => {
      BenchChild.running.delete(this);
      this.failAll(
        new Error(`The ${this.describe()} ended with ${this.child.signalCode ?? `code ${this.child.exitCode}`}.${this.lastOutput()}`),
      );
    });
  }

  /** Ends every child at once. */
  static killAll(): void {
    for (const child of BenchChild.running) child.child.kill('SIGKILL');
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Rejects when the command fails, the process ends, or `expected` milliseconds and a good while more have passed. */
  async call<T>(name: string, argument?: unknown, expected = 0): Promise<T> {
    const id = ++this.lastId;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        const limit = COMMAND_TIMEOUT + expected;
        timer = setTimeout(
          () => reject(new Error(`The ${this.describe()} did not finish "${name}" in ${limit} ms.${this.lastOutput()}`)),
          limit,
        );
        const command: Command = { id, name, argument };
        this.child.send(command, (error) => error && reject(error));
      });
    } finally {
      clearTimeout(timer);
      this.waiting.delete(id);
    }
  }

  /** Closes what runs in the child and waits for its end; a child that does not end is killed. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_TIMEOUT);
    try {
      if (BenchChild.running.has(this)) await this.call(CLOSE);
    } finally {
      await this.ended;
      clearTimeout(timer);
    }
  }

  private take({ id, result, error }: Reply): void {
    const waiting = this.waiting.get(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(`The ${this.describe()} failed: ${error}${this.lastOutput()}`));
  }

  private failAll(error: Error): void {
    for (const { reject } of this.waiting.values()) reject(error);
  }

  private describe(): string {
    return this.options.label;
  }

  private lastOutput(): string {
    return this.output === '' ? '' : `\nIts last output:\n${this.output}`;
  }
}
