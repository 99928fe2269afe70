import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ToFixture, ToTest } from '../services/fixture/link.js';

const BUILT = join(import.meta.dirname, '..', 'dist');
/** Continues a fixture that a test has stopped when the test run is killed: it sees its channel closed then, cleans up and exits. */
const SETPRIV = '/usr/bin/setpriv';
const WITH_PARENT = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'CONT'] : [];
/** Milliseconds a fixture may take to start or to stop; far more than it needs. */
const PATIENCE = 45_000;

export interface ServiceOptions {
  /** What `fixtureOptions()` returns in the fixture; JSON. */
  options?: object;
  /** RSM_DIRECTORY of the process. Default: the folder of the running test (see lifetime.ts). */
  directory?: string;
  env?: Record<string, string>;
  /** For node, before the script. */
  execArgv?: string[];
  /** Other built script than dist/<fixture>.js: an absolute path. It has to answer as `fixture.ts` does. */
  script?: string;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A fixture process, started by startService(). */
export class Service {
  /** What the fixture gave to `ready()`. */
  info: any;
  readonly exited: Promise<Exit>;
  readonly pid: number;
  private readonly calls = new Map<number, { resolve: (value: any) => void; reject: (error: Error) => void }>();
  private collected = '';
  private nextId = 1;
  private exit: Exit | undefined;
  private readonly isReady: Promise<void>;

  private constructor(
    readonly fixture: string,
    readonly directory: string,
    private readonly child: ChildProcess,
  ) {
    this.pid = child.pid!;
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.collected += text));
    }
    // 'close' comes after the last output.
    this.exited = new Promise((resolve) => child.once('close', (code, signal) => resolve((this.exit = { code, signal }))));
    this.isReady = new Promise((resolve, reject) => {
      child.on('message', (message: ToTest) => this.receive(message, resolve));
      void this.exited.then(() => reject(this.error('ended before it was ready')));
    });
    void this.exited.then(() => {
      this.calls.forEach(({ reject }) => reject(this.error('ended during a call')));
      this.calls.clear();
    });
  }

  /** @internal Use startService(). */
  static spawn(fixture: string, directory: string, { options = {}, env, execArgv = [], script }: ServiceOptions): Service {
    const path = script ?? join(BUILT, `${fixture}.js`);
    if (!existsSync(path)) {
      throw new Error(`There is no ${path}; run npm run build.`);
    }
    const [execPath, ...before] = [...WITH_PARENT, process.execPath];
    const child = fork(path, [JSON.stringify(options)], {
      execPath,
      execArgv: [...before, ...execArgv],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', RSM_DIRECTORY: directory, ...env },
    });
    return new Service(fixture, directory, child);
  }

  /** @internal Use startService(). */
  async ready(): Promise<void> {
    await this.within(this.isReady, 'was not ready');
  }

  /** Calls a function that the fixture exposed; rejects with what it threw. */
  call<T = any>(name: string, ...args: unknown[]): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.alive || !this.child.connected) {
        reject(this.error(`is not there to be asked for '${name}'`));
        return;
      }
      const id = this.nextId++;
      this.calls.set(id, { resolve, reject });
      this.tell({ kind: 'call', id, name, args });
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  get alive(): boolean {
    return this.exit === undefined;
  }

  /** It ended by itself with code 0: nothing may be left of it. */
  get endedOrderly(): boolean {
    return this.exit?.code === 0;
  }

  /** What it wrote to stdout and stderr until now. */
  output(): string {
    return this.collected;
  }

  /** Has the fixture close what it opened, and waits until the process has exited by itself. Rejects (and kills it) where it does not, or with another code than 0. */
  async stop(): Promise<void> {
    if (this.alive) {
      this.signal('SIGCONT');
      if (this.child.connected) {
        this.tell({ kind: 'stop' });
      }
      await this.within(this.exited, 'did not exit by itself after it had closed everything');
      if (this.exit!.code !== 0) {
        throw this.error('failed while it stopped');
      }
    }
  }

  /** kill -9, and waits for the end. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  private receive(message: ToTest, ready: () => void): void {
    if (message.kind === 'ready') {
      this.info = message.info;
      ready();
      return;
    }
    const call = this.calls.get(message.id);
    this.calls.delete(message.id);
    if (message.kind === 'returned') {
      call?.resolve(message.value);
    } else {
      call?.reject(new Error(`${this.fixture}: ${message.message}`));
    }
  }

  private tell(message: ToFixture): void {
    // The fixture may be on its way out; `exited` reports that.
    this.child.send(message, () => undefined);
  }

  private async within<T>(promise: Promise<T>, failure: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(this.error(failure)), PATIENCE);
    });
    try {
      return await Promise.race([promise, late]);
    } catch (error) {
      await this.kill();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private error(what: string): Error {
    const end = this.exit === undefined ? '' : ` (code ${this.exit.code}, signal ${this.exit.signal})`;
    return new Error(`Fixture ${this.fixture}, process ${this.pid}, ${what}${end}. Its output:\n${this.collected}`);
  }
}
