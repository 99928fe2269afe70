import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { Companion } from './companion.js';
import { eventually } from './eventually.js';
import { hostile } from './hostile-peer.js';
import { type Service, startService } from './index.js';

/** What hostile peers may leave in a heap: fragmentation, no more. Bytes. */
export const RSS_SLACK = 48 * 1024 * 1024;
export const TARGET_MAX_MEMORY = 64 * 1024 * 1024;

/** Small, so that a peer reaches the limits quickly; its longest message is 256 kB. */
const SEGMENTS = [
  { partitionSize: 64, partitions: 256, spanFactor: 16 },
  { partitionSize: 4096, partitions: 64, spanFactor: 32 },
];

export interface Left {
  descriptors: Record<string, number>;
}

/** The service 'hostile' that the peers of one spec file are let loose on, with a client that goes on meanwhile. */
export class HostileTarget {
  service!: Service;
  path!: string;
  companion!: Companion;
  /** Descriptors and regions before the first hostile peer. */
  before!: Left;
  private residentBefore = 0;
  /** Where this test's part of the output begins. */
  private seen = 0;

  async start(): Promise<void> {
    this.service = await startService('hostile-target', {
      execArgv: ['--expose-gc'],
      options: { segments: SEGMENTS, maxMessageSize: 256 * 1024, maxMemory: TARGET_MAX_MEMORY, maxRequests: 100 },
    });
    this.path = (this.service.info as { path: string }).path;
    this.companion = await new Companion('hostile', this.service.directory).start();
    await this.companion.undisturbed(50);
    // What is made once (code, tables, pools) is no leak.
    await hostile(this.path, 'spoil_forming', 'unsealed target');
    await hostile(this.path, 'spoil_message', 'group');
    await hostile(this.path, 'rewrite', 1, 200);
    this.before = await this.service.call<Left>('residue');
    this.residentBefore = await this.service.call<number>('resident');
  }

  /** The others go on; descriptors, regions and memory are back where they were. */
  async unharmed(): Promise<void> {
    await this.companion.undisturbed();
    await eventually(async () => expect(await this.service.call('residue')).toEqual(this.before));
    await eventually(async () => expect(await this.grown()).toBeLessThan(RSS_SLACK));
    expect(this.service.alive).toBe(true);
    this.seen = this.service.output().length;
  }

  /** Resident bytes more than before. */
  async grown(): Promise<number> {
    return (await this.service.call<number>('resident')) - this.residentBefore;
  }

  /** What it has written since the test began. */
  output(): string {
    return this.service.output().slice(this.seen);
  }

  /** The reason is in the log: at once, or summed up with others of its kind within a second. */
  async logged(reason: string): Promise<void> {
    await eventually(() => expect(this.output()).toContain(reason));
  }
}

/** Sets up the hooks of a spec file: after each test the target has to be unharmed. */
export function useHostileTarget(): HostileTarget {
  const target = new HostileTarget();
  beforeAll(() => target.start());
  afterEach(() => target.unharmed());
  afterAll(() => target.companion.close());
  return target;
}
