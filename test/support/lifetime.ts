import { afterAll, afterEach, beforeEach } from '@jest/globals';
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Service, type ServiceOptions } from './service.js';

const PREFIX = 'rsm-t-';
let swept = false;

/** Removes what test processes have left that were killed. */
function sweep(): void {
  if (swept) return;
  swept = true;
  for (const name of readdirSync(realpathSync(tmpdir()))) {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) rmSync(join(realpathSync(tmpdir()), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export interface Closable {
  close(): unknown;
}

/**
 * What one test, or the beforeAll() of a file, has opened. What begins inside a test (or beforeEach) ends after it; what begins in beforeAll() ends after
 * the file's last test. Importing this file sets the hooks up.
 */
class Lifetime {
  private readonly folders: string[] = [];
  private readonly services: Service[] = [];
  private readonly closables: Closable[] = [];

  /** Short, because socket paths are. */
  newDirectory(): string {
    sweep();
    const folder = mkdtempSync(join(realpathSync(tmpdir()), `${PREFIX}${process.pid}-`));
    this.folders.push(folder);
    return folder;
  }

  directory(): string {
    return this.folders[0] ?? this.newDirectory();
  }

  add(service: Service): void {
    this.services.push(service);
  }

  own<T extends Closable>(closable: T): T {
    this.closables.push(closable);
    return closable;
  }

  /** Closes clients, then stops services; throws what failed, and where a process that ended orderly has left a socket. */
  async end(): Promise<void> {
    const failures: unknown[] = [];
    for (const closable of this.closables.splice(0).reverse()) {
      await attempt(failures, async () => closable.close());
    }
    const services = this.services.splice(0);
    await Promise.all(services.map((service) => attempt(failures, () => service.stop())));
    const folders = this.folders.splice(0);
    // One that was killed cannot remove its socket; the next that comes by does.
    const left = services.every((service) => service.endedOrderly) ? folders.flatMap(socketsIn) : [];
    if (left.length > 0) {
      failures.push(new Error(`Sockets were left behind: ${left.join(', ')}`));
    }
    folders.forEach((folder) => rmSync(folder, { recursive: true, force: true }));
    if (failures.length > 0) {
      throw failures.length === 1 ? failures[0] : new AggregateError(failures, failures.map(String).join('\n'));
    }
  }
}

async function attempt(failures: unknown[], action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    failures.push(error);
  }
}

const ofFile = new Lifetime();
let current = ofFile;

beforeEach(() => {
  current = new Lifetime();
});

afterEach(async () => {
  const ended = current;
  current = ofFile;
  await ended.end();
}, 120_000);

afterAll(() => ofFile.end(), 120_000);

/** RSM_DIRECTORY of the running test's services (in beforeAll(): of the file's), made on first use and removed afterwards. */
export function serviceDirectory(): string {
  return current.directory();
}

/** Another folder with the same lifetime, for services that are not to meet. */
export function newServiceDirectory(): string {
  return current.newDirectory();
}

/** Starts dist/<fixture>.js as a process of its own and waits until it is ready. */
export async function startService(fixture: string, options: ServiceOptions = {}): Promise<Service> {
  const service = Service.spawn(fixture, options.directory ?? current.directory(), options);
  current.add(service);
  await service.ready();
  return service;
}

/** Has `closable` (a client, an app) closed after the test, before its services are stopped. Returns it. */
export function closeAfterwards<T extends Closable>(closable: T): T {
  return current.own(closable);
}

/** Socket files under a folder, with those under temporary names. */
export function socketsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isSocket())
    .map((entry) => join(entry.parentPath, entry.name));
}
