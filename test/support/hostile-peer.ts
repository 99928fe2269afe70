import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const SCRIPT = join(import.meta.dirname, 'hostile-peer.py');

/** How the server ended a hostile peer's connection, and what else an act of hostile-peer.py says. */
export interface HostileOutcome extends Record<string, unknown> {
  ended: boolean;
  code?: string | null;
  text?: string | null;
}

/** A running hostile-peer.py: a process that passes descriptors and writes into the memory it was given. */
export class HostilePeer {
  readonly pid: number;
  readonly outcome: Promise<HostileOutcome>;
  private readonly child: ChildProcess;
  private readonly lines: Record<string, unknown>[] = [];
  private wake: () => void = () => undefined;
  private done = false;

  constructor(socket: string, act: string, ...args: unknown[]) {
    this.child = spawn('python3', [SCRIPT, socket, act, JSON.stringify(args)], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.pid = this.child.pid!;
    let errors = '';
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
    createInterface(this.child.stdout!).on('line', (line) => {
      this.lines.push(JSON.parse(line) as Record<string, unknown>);
      this.wake();
    });
    this.outcome = new Promise((resolve, reject) => {
      this.child.once('close', (code) => {
        this.done = true;
        this.wake();
        const last = this.lines.at(-1);
        if (code === 0 && last !== undefined) resolve(last as HostileOutcome);
        else reject(new Error(`hostile-peer.py ${act} ${JSON.stringify(args)} ended with ${code}:\n${errors}`));
      });
    });
    this.outcome.catch(() => undefined); // whoever awaits it hears of it
  }

  /** Its first line: it is at work. */
  async atWork(): Promise<Record<string, unknown>> {
    while (this.lines.length === 0 && !this.done) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.lines[0] ?? (await this.outcome);
  }

  /** Lets those go on that wait for the end of their input. */
  end(): Promise<HostileOutcome> {
    this.child.stdin!.end();
    return this.outcome;
  }
}

/** Runs one act to its end. */
export function hostile(socket: string, act: string, ...args: unknown[]): Promise<HostileOutcome> {
  return new HostilePeer(socket, act, ...args).end();
}
