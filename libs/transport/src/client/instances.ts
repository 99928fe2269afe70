import type { Connection, QueueBudget } from '@nestjs-rsm/segments';
import { type HeldMessage, HeldQueue } from './held-message.js';
import type { KeyHomes } from './key-homes.js';
import type { Outbound } from './outbound.js';

/** One instance of the service, as long as it is connected. */
export class Instance {
  /** announced[id]: the connection knows the route. */
  readonly announced: boolean[] = [];
  /** Events that wait behind a suspect, in order. */
  readonly backlog: HeldQueue;
  /** A suspect is with the instance: nothing of the backlog is sent before it comes back or is released. */
  suspectOut = false;
  /** Messages that came back, to be sent elsewhere together, in the order they were committed. */
  returned: { readonly sequence: number; readonly message: HeldMessage }[] = [];
  /** Messages that were taken out of its queue, to follow those that came back. */
  taken: HeldMessage[] = [];
  /** Runs while a draining instance hands its messages back. */
  handBackTimer: NodeJS.Timeout | undefined;
  /** Events go over the connection: requests must not wait behind them. */
  carriesEvents = false;
  /** It broke the protocol: what it still sends is not looked at. */
  broken = false;
  private readonly hash: number;

  constructor(
    readonly connection: Connection,
    budget: QueueBudget,
    /** What is sent over the connection goes through it. */
    readonly outbound: Outbound,
  ) {
    this.backlog = new HeldQueue(budget);
    this.hash = hashOf(connection.peer.identity, 0x811c9dc5);
  }

  /** It takes new messages. */
  get usable(): boolean {
    return this.connection.open && !this.connection.draining;
  }

  /** New events must queue behind others of this client. */
  get backlogged(): boolean {
    return this.suspectOut || this.backlog.length > 0;
  }

  /** Rendezvous hashing: the instance with the highest weight for a key has it. */
  weight(key: string): number {
    return mix(hashOf(key, this.hash));
  }
}

/** The connected instances, and which one a message goes to. */
export class Instances {
  private readonly all = new Set<Instance>();
  private usable: Instance[] = [];
  private turn = 0;

  constructor(
    private readonly homes: KeyHomes,
    /** Chooses the homes of keys; else it only follows. */
    private readonly settles: boolean,
  ) {}

  add(instance: Instance): void {
    this.all.add(instance);
    this.refresh();
  }

  remove(instance: Instance): void {
    this.all.delete(instance);
    this.refresh();
  }

  clear(): void {
    this.all.clear();
    this.refresh();
  }

  /** An instance hung up or drains. */
  refresh(): void {
    this.usable = [...this.all].filter((instance) => instance.usable);
  }

  /** Those that take new messages. Not to be changed. */
  live(): readonly Instance[] {
    return this.usable;
  }

  every(): ReadonlySet<Instance> {
    return this.all;
  }

  pick(key: string | undefined): Instance | undefined {
    if (key !== undefined) {
      return this.homeOf(key);
    }
    const { usable } = this;
    if (usable.length <= 1) {
      const only = usable[0];
      return only !== undefined && only.connection.open ? only : undefined;
    }
    return this.nextInTurn();
  }

  /** The instance the key has; where that is not usable any more, the one with the highest weight. */
  private homeOf(key: string): Instance | undefined {
    const home = this.homes.get(key);
    const known = home === undefined ? undefined : this.usable.find(({ connection }) => connection.peer.identity === home);
    if (known?.connection.open) {
      return known;
    }
    const chosen = highest(this.usable, key);
    if (chosen !== undefined && this.settles) {
      this.homes.set(key, chosen.connection.peer.identity);
    }
    return chosen;
  }

  /** Round robin; one whose queue is empty goes before others, else the one with the shortest. */
  private nextInTurn(): Instance | undefined {
    const { usable } = this;
    const count = usable.length;
    const before = this.turn;
    let best: Instance | undefined;
    let shortest = Infinity;
    for (let i = 1; i <= count; i++) {
      const turn = (before + i) % count;
      const instance = usable[turn]!;
      const waiting = instance.connection.queuedMessages + instance.backlog.length + (instance.suspectOut ? 1 : 0);
      if (waiting < shortest && instance.connection.open) {
        best = instance;
        shortest = waiting;
        this.turn = turn;
        if (waiting === 0) {
          break;
        }
      }
    }
    return best;
  }
}

function highest(instances: readonly Instance[], key: string): Instance | undefined {
  let best: Instance | undefined;
  let bestWeight = -1;
  for (const instance of instances) {
    const weight = instance.weight(key);
    if (instance.connection.open && weight > bestWeight) {
      best = instance;
      bestWeight = weight;
    }
  }
  return best;
}

/** FNV-1a over UTF-16 units. */
function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

/** FNV's last bits hardly move the first ones: the finish of MurmurHash3 spreads them. */
function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
