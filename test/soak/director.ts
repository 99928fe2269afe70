import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RsmClient, type RsmClientOptions, type RsmServerOptions } from 'nestjs-rsm';
import { type Fault, FAULTS, type Step } from './plan.js';
import { inTime, PATIENCE, type Role, SoakProcess } from './processes.js';
import { Random } from './random.js';

const SERVICE = 'soak';
const SHORT_CONNECT_TIMEOUT = 1_000;
/** Milliseconds: longer than any stop, so that nothing is given up. */
const LONG = 250_000;
/** Bytes by which the memory of a long-lived process may grow between the second third of its life and the last. */
const MEMORY_SLACK = 128 * 1024 * 1024;

const SMALL_SEGMENTS = [
  { partitionSize: 128, partitions: 64, spanFactor: 8 },
  { partitionSize: 2_048, partitions: 32, spanFactor: 16 },
];

export interface Violation {
  rule: string;
  text: string;
}

interface Slot {
  role: Role;
  index: number;
  incarnation: number;
  process: SoakProcess | undefined;
  /** Something is being done to it. */
  busy: boolean;
}

export interface DirectorOptions {
  seed: number;
  servers: number;
  clients: number;
  /** Milliseconds between two turns of a client, on average. */
  pace: number;
  /** For sockets; for journals and logs. */
  directory: string;
  folder: string;
}

/** Starts the processes, does to them what the plan says, and brings them to an end. */
export class Director {
  readonly processes: SoakProcess[] = [];
  readonly faults = new Map<Fault, number>();
  readonly violations: Violation[] = [];
  readonly memory = new Map<SoakProcess, number[]>();
  private readonly slots: Slot[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private protectedPair = true;
  private ending = false;

  constructor(private readonly options: DirectorOptions) {
    for (let index = 0; index < options.servers; index++) {
      this.slots.push({ role: 'server', index, incarnation: 0, process: undefined, busy: false });
    }
    for (let index = 0; index < options.clients; index++) {
      this.slots.push({ role: 'client', index, incarnation: 0, process: undefined, busy: false });
    }
  }

  /** `duration`: milliseconds, for all faults. */
  async run(steps: readonly Step[], duration: number, report: (line: string) => void): Promise<void> {
    await Promise.all(this.slots.map((slot) => this.start(slot)));
    const sampler = setInterval(() => this.sample(), 500);
    const began = performance.now();
    for (const [i, step] of steps.entries()) {
      if (i >= FAULTS.length && performance.now() - began > duration) break; // a slow machine
      await sleep(step.after);
      // The first server and the first client live long, then they are as the others.
      if (performance.now() - began > duration * 0.6) this.protectedPair = false;
      // Until the processes it concerns are there again.
      while (!this.apply(step) && this.violations.length === 0) await sleep(20);
      if (this.violations.length > 0) break;
      this.faults.set(step.fault, (this.faults.get(step.fault) ?? 0) + 1);
      report(`${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${step.fault}`);
    }
    clearInterval(sampler);
    await this.end(report);
  }

  /** Whatever happened: no process is left. */
  killAll(): void {
    for (const child of this.processes.filter(({ alive }) => alive)) {
      child.kill();
    }
  }

  private apply(step: Step): boolean {
    const { fault } = step;
    const kill = fault.startsWith('kill');
    const deploy = fault.startsWith('deploy');
    const chosen = this.choose(step, kill || deploy);
    if (chosen.length === 0) return false;
    for (const slot of chosen) {
      slot.busy = true;
      const work = this.does(slot, step, kill, deploy)
        .catch((error: unknown) => this.violation('processes', `${this.nameOf(slot)}, ${fault}: ${String(error)}`))
        .finally(() => {
          slot.busy = false;
          this.underWay.delete(work);
        });
      this.underWay.add(work);
    }
    return true;
  }

  /** The slots a step concerns; none where one of them is not to be had. */
  private choose({ fault, server, client }: Step, ends: boolean): Slot[] {
    const free = (role: Role): Slot[] =>
      this.slots.filter((slot) => slot.role === role && !slot.busy && !(ends && this.protectedPair && slot.index === 0));
    if (fault.includes('all')) {
      const every = fault === 'stop all' ? [...free('server'), ...free('client')] : free('server');
      return every;
    }
    const chosen: Slot[] = [];
    for (const [role, where] of [
      ['server', server],
      ['client', client],
    ] as const) {
      if (!fault.includes(role)) continue;
      const slots = free(role);
      if (slots.length === 0) return [];
      chosen.push(slots[Math.floor(where * slots.length)]!);
    }
    return chosen;
  }

  private async does(slot: Slot, { fault, duration, pause, overlap }: Step, kill: boolean, deploy: boolean): Promise<void> {
    const old = slot.process!;
    if (deploy) {
      if (overlap) await this.start(slot);
      old.terminate();
      await this.ended(old);
      if (!overlap) await this.start(slot);
      return;
    }
    if (!kill || fault === 'kill a stopped server') {
      old.stop();
      await sleep(duration);
    }
    if (!kill) {
      old.goOn();
      return;
    }
    old.kill();
    await this.ended(old);
    if (!this.ending) await sleep(pause);
    await this.start(slot);
  }

  private async start(slot: Slot): Promise<void> {
    const { directory, folder, seed, pace } = this.options;
    slot.incarnation++;
    const name = this.nameOf(slot);
    const random = Random.of(seed, name);
    const common = { name, journal: join(folder, `${name}.journal`) };
    const settings =
      slot.role === 'server'
        ? { ...common, options: serverOptions(random) }
        : { ...common, seed, pace, floods: slot.index === 1, options: clientOptions(random, slot.index) };
    const child = new SoakProcess(slot.role, name, settings, folder, { RSM_DIRECTORY: directory });
    this.processes.push(child);
    slot.process = child;
    void child.exited.then(() => {
      if (child.ended === 'running') {
        this.violation('processes', `${name} ended by itself (${JSON.stringify(child.exit)}). Its output ends with:\n${child.output()}`);
      }
    });
    if (!(await inTime(child.ready))) throw new Error(`not ready after ${PATIENCE} ms`);
  }

  /** One that was told to end must do so by itself, with code 0; one that was killed has no choice. */
  private async ended(child: SoakProcess): Promise<void> {
    if (!(await inTime(child.exited))) {
      this.violation('processes', `${child.name} has not ended ${PATIENCE} ms after SIGTERM. Its output ends with:\n${child.output()}`);
      child.kill();
      await child.exited;
    } else if (child.ended === 'closed' && child.exit?.code !== 0) {
      this.violation('processes', `${child.name} ended with ${JSON.stringify(child.exit)} after SIGTERM:\n${child.output()}`);
    }
  }

  /** Everything goes on and comes to its end: clients first, then servers. */
  private async end(report: (line: string) => void): Promise<void> {
    this.ending = true;
    report('        no more faults: everything sent comes to its end');
    await Promise.all(this.underWay);
    const [clients, servers] = [this.running('client'), this.running('server')];
    for (const child of clients) {
      if (!(await inTime(child.finish()))) {
        const { pending } = await child.state();
        this.violation('lost', `${child.name}: not ended ${PATIENCE} ms after the last fault: ${pending.join(', ')}`);
      }
    }
    await this.checkResidue(clients, servers);
    for (const group of [clients, servers]) {
      group.forEach((child) => child.terminate());
      await Promise.all(group.map((child) => this.ended(child)));
    }
    this.checkMemory();
    const left = existsSync(join(this.options.directory, SERVICE)) ? readdirSync(join(this.options.directory, SERVICE)) : [];
    if (left.length > 0) this.violation('residue', `Left in the service's folder: ${left.join(', ')}`);
    for (const child of this.processes.filter(({ pid }) => existsSync(`/proc/${pid}`))) {
      this.violation('residue', `Process ${child.pid} (${child.name}) is still there`);
    }
  }

  /** Sockets of killed servers are gone when a client has come by; nobody has memory mapped but for living connections. */
  private async checkResidue(clients: SoakProcess[], servers: SoakProcess[]): Promise<void> {
    const { directory } = this.options;
    const probe = new RsmClient({ service: SERVICE, directory, connectTimeout: PATIENCE });
    await probe.connect();
    const sockets = (): string[] => readdirSync(join(directory, SERVICE)).filter((name) => name.endsWith('.sock'));
    const until = performance.now() + PATIENCE;
    while (sockets().length > servers.length && performance.now() < until) await sleep(10);
    if (sockets().length !== servers.length) {
      this.violation('residue', `${servers.length} servers live, but there are ${sockets().length} sockets: ${sockets().join(', ')}`);
    }
    await probe.close();
    // A connection maps four regions (target and release memory, both directions); a client may have a second connection to each instance.
    for (const child of [...clients, ...servers]) {
      const most = 4 * 2 * Math.max(clients.length, servers.length);
      let state = await child.state();
      while (state.regions > most && performance.now() < until) {
        await sleep(10);
        state = await child.state();
      }
      if (state.regions > most) {
        this.violation('residue', `${child.name} has ${state.regions} regions mapped for ${state.connections} connections`);
      }
    }
  }

  private sample(): void {
    for (const slot of this.slots) {
      const child = slot.process;
      if (slot.index !== 0 || child === undefined || !child.alive) continue;
      const samples = this.memory.get(child) ?? [];
      samples.push(child.resident());
      this.memory.set(child, samples);
    }
  }

  private checkMemory(): void {
    for (const [child, samples] of this.memory) {
      if (samples.length < 12) continue;
      const third = Math.floor(samples.length / 3);
      const [before, after] = [median(samples.slice(third, 2 * third)), median(samples.slice(2 * third))];
      if (after - before > MEMORY_SLACK) {
        this.violation(
          'memory',
          `${child.name} grew from ${mebibytes(before)} to ${mebibytes(after)} (medians of the second and the last third of its life)`,
        );
      }
    }
  }

  private running(role: Role): SoakProcess[] {
    return this.slots.flatMap((slot) => (slot.role === role && slot.process?.alive ? [slot.process] : []));
  }

  private nameOf({ role, index, incarnation }: Slot): string {
    return `${role}${index + 1}.${incarnation}`;
  }

  private violation(rule: string, text: string): void {
    this.violations.push({ rule, text });
  }
}

function serverOptions(random: Random): RsmServerOptions {
  return {
    service: SERVICE,
    wildcards: true,
    drainTimeout: LONG,
    codec: random.pick(['json', 'msgpack']),
    polling: random.pick(['adaptive', 'blocking', { window: 100 }] as const),
    ...(random.chance(0.4) ? { segments: SMALL_SEGMENTS } : {}),
    concurrency: random.pick([3, 16, 64]),
    maxRequests: random.pick([3, 64]),
  };
}

function clientOptions(random: Random, index: number): RsmClientOptions {
  return {
    service: SERVICE,
    connectTimeout: index === 2 ? SHORT_CONNECT_TIMEOUT : LONG,
    closeTimeout: LONG,
    // The third gives up early: its dead letters are counted.
    maxAttempts: index === 2 ? 3 : 1_000,
    codec: random.pick(['json', 'msgpack']),
    polling: random.pick(['adaptive', 'blocking', { window: 100 }] as const),
    ...(index === 1 ? { maxQueuedMessages: 500 } : {}),
    ...(random.chance(0.3) ? { segments: SMALL_SEGMENTS } : {}),
  };
}

export function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
