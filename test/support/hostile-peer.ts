import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const SCRIPTS = join(import.meta.dirname, 'hostile');

/** How a connection of a hostile peer ended, and what else an act of hostile/client.py or hostile/server.py says. */
export interface HostileOutcome extends Record<string, unknown> {
  ended: boolean;
  code?: string | null;
  text?: string | null;
}

/** A running client.py or server.py: a process that passes descriptors and writes into the memory it was given. It dies with the test run. */
export class HostilePeer {
  readonly pid: number;
  readonly outcome: Promise<HostileOutcome>;
  private readonly child: ChildProcess;
  private readonly lines: Record<string, unknown>[] = [];
  private wake: () => void = () => undefined;
  private done = false;

  constructor(side: 'client' | 'server', socket: string, act: string, ...args: unknown[]) {
    this.child = spawn('python3', [join(SCRIPTS, `${side}.py`), socket, act, JSON.stringify(args)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
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
        else reject(new Error(`The hostile ${side}, act ${act} ${JSON.stringify(args)}, ended with ${code}:\n${errors}`));
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

/** Runs one act of a hostile client to its end. */
export function hostile(socket: string, act: string, ...args: unknown[]): Promise<HostileOutcome> {
  return new HostilePeer('client', socket, act, ...args).end();
}

let servers = 0;

/** Starts a hostile instance of the service 'hostile' in that directory; clients that watch the folder find it by themselves. */
export function hostileServer(directory: string, act: string, ...args: unknown[]): HostilePeer {
  const folder = join(directory, 'hostile');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return new HostilePeer('server', join(folder, `hostile${String(servers++).padStart(9, '0')}.sock`), act, ...args);
}
