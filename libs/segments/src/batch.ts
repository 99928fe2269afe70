import type { Lane } from './lanes.js';
import type { NativeEndpoint } from './native.js';
import type { Connection, MessageBatch } from './types.js';

/** Words of one row of the native table: connection, delivery, lane, attempt, offset, length, owned, deferred. */
const ROW = 8;

/** Buffers over partitions, by the delivery whose release ends them. */
export type Views = Map<number, Buffer[]>;

/** The one batch object of an endpoint: a view on the native table, filled anew before each onMessages. */
export class ReceivedBatch implements MessageBatch {
  count = 0;
  private arena: Buffer = Buffer.alloc(0);
  private ownBuffers: Buffer[] = [];

  /** `connections`: by id, kept up to date by the endpoint. */
  constructor(
    private readonly table: Uint32Array,
    private readonly connections: readonly (Connection | undefined)[],
    private readonly native: Pick<NativeEndpoint, 'load' | 'view'>,
    private readonly views: Views,
  ) {}

  fill(count: number, arena: Buffer, ownBuffers: Buffer[]): void {
    this.count = count;
    this.arena = arena;
    this.ownBuffers = ownBuffers;
  }

  connection(i: number): Connection {
    return this.connections[this.table[i * ROW]!]!;
  }

  delivery(i: number): number {
    return this.table[i * ROW + 1]!;
  }

  lane(i: number): Lane {
    return this.table[i * ROW + 2] as Lane;
  }

  attempt(i: number): number {
    return this.table[i * ROW + 3]!;
  }

  buffer(i: number): Buffer {
    const own = this.table[i * ROW + 6]!;
    return own === 0 ? this.arena : this.ownBuffers[own - 1]!;
  }

  offset(i: number): number {
    // An own Buffer holds one message and nothing else.
    return this.table[i * ROW + 6] === 0 ? this.table[i * ROW + 4]! : 0;
  }

  length(i: number): number {
    return this.table[i * ROW + 5]!;
  }

  owned(i: number): boolean {
    return this.table[i * ROW + 6] !== 0;
  }

  loaded(i: number): boolean {
    return this.table[i * ROW + 7] === 0;
  }

  load(i: number): void {
    if (this.loaded(i)) return;
    this.table[i * ROW + 7] = 0;
    const own = this.native.load(this.delivery(i), this.offset(i));
    if (typeof own === 'boolean') return;
    this.table[i * ROW + 6] = this.ownBuffers.push(own);
  }

  view(i: number, start: number, end: number): Buffer | undefined {
    if (this.loaded(i)) return undefined;
    const delivery = this.delivery(i);
    const view = this.native.view(delivery, start, end);
    if (view === undefined) return undefined;
    const others = this.views.get(delivery);
    if (others === undefined) this.views.set(delivery, [view]);
    else others.push(view);
    return view;
  }

  copy(i: number): Buffer {
    this.load(i);
    const start = this.offset(i);
    return Buffer.from(this.buffer(i).subarray(start, start + this.length(i)));
  }
}
