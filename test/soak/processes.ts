import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { microseconds } from './journal.js';
import type { ClientSettings, ProcessState, ServerSettings, ToDirector, ToProcess } from './link.js';

/** Milliseconds for anything that must happen at all. */
export const PATIENCE = 300_000;

export type Role = 'server' | 'client';

/** A process of the soak. */
export class SoakProcess {
  readonly pid: number;
  readonly exited: Promise<void>;
  /** Rejects where it ends before. */
  readonly ready: Promise<void>;
  readonly startedAt = microseconds();
  /** When it was told to end, or killed: microseconds. */
  endsAt = Infinity;
  ended: 'running' | 'closed' | 'killed' = 'running';
  exit: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  stopped = false;
  private readonly child: ChildProcess;
  private finished: (() => void) | undefined;
  private stated: ((state: ProcessState) => void) | undefined;

  constructor(
    readonly role: Role,
    readonly name: string,
    readonly settings: ServerSettings | ClientSettings,
    folder: string,
    env: Record<string, string>,
  ) {
    this.logPath = join(folder, `${name}.log`);
    const log = openSync(this.logPath, 'a');
    this.child = fork(join(import.meta.dirname, `${role}.js`), [JSON.stringify(settings)], {
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', ...env },
    });
    closeSync(log);
    this.pid = this.child.pid!;
    this.exited = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        this.exit = { code, signal };
        if (this.endsAt === Infinity) this.endsAt = microseconds();
        resolve();
      });
    });
    this.ready = new Promise((resolve, reject) => {
      this.child.on('message', (message: ToDirector) => {
        if (message.kind === 'ready') resolve();
        else if (message.kind === 'finished') this.finished?.();
        else this.stated?.(message.state);
      });
      void this.exited.then(() => reject(new Error(`${name} ended before it was ready`)));
    });
    this.ready.catch(() => undefined);
  }

  private readonly logPath: string;

  get alive(): boolean {
    return this.exit === undefined;
  }

  get journal(): string {
    return this.settings.journal;
  }

  /** kill -9. */
  kill(): void {
    this.ended = 'killed';
    this.endsAt = microseconds();
    this.child.kill('SIGKILL');
  }

  /** Told to end in order. */
  terminate(): void {
    this.ended = 'closed';
    this.endsAt = microseconds();
    this.child.kill('SIGTERM');
  }

  stop(): void {
    this.stopped = true;
    this.child.kill('SIGSTOP');
  }

  goOn(): void {
    this.stopped = false;
    this.child.kill('SIGCONT');
  }

  /** A client sends nothing more; resolves when all has come to its end. */
  finish(): Promise<void> {
    return new Promise((resolve) => {
      this.finished = resolve;
      this.tell({ kind: 'finish' });
    });
  }

  state(): Promise<ProcessState> {
    return new Promise((resolve) => {
      this.stated = resolve;
      this.tell({ kind: 'state' });
    });
  }

  /** Bytes. */
  resident(): number {
    try {
      return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
    } catch {
      return 0; // it has just ended
    }
  }

  /** The end of what it wrote to its output. */
  output(): string {
    return readFileSync(this.logPath, 'utf8').slice(-2_000);
  }

  private tell(message: ToProcess): void {
    this.child.send(message, () => undefined);
  }
}

/** Resolves with false where the promise has not ended after PATIENCE. */
export async function inTime(promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => (timer = setTimeout(resolve, PATIENCE, false)));
  const inTime = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}
