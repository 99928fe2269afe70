import { describe, expect, it } from '@jest/globals';
import { ReceivedBatch } from './batch.js';
import type { Connection } from './types.js';

function unexpected(): never {
  throw new Error('No copy is deferred here.');
}
const NOTHING_DEFERRED = { load: unexpected, view: unexpected };

describe('ReceivedBatch', () => {
  it('reads rows of the shared arena and rows with a Buffer of their own', () => {
    const connection = { id: 3 } as Connection;
    const table = new Uint32Array(256 * 8);
    table.set([3, 41, 1, 0, 2, 3, 0, 0, 3, 42, 2, 5, 0, 4, 1, 0]);
    const batch = new ReceivedBatch(table, [undefined, undefined, undefined, connection], NOTHING_DEFERRED, new Map());
    const arena = Buffer.from('xxabcxx');
    batch.fill(2, arena, [Buffer.from('long')]);

    expect(batch.count).toBe(2);
    expect([0, 1].map((i) => batch.copy(i).toString())).toEqual(['abc', 'long']);
    expect([0, 1].map((i) => batch.owned(i))).toEqual([false, true]);
    expect([0, 1].map((i) => [batch.delivery(i), batch.lane(i), batch.attempt(i), batch.length(i)])).toEqual([
      [41, 1, 0, 3],
      [42, 2, 5, 4],
    ]);
    expect(batch.connection(1)).toBe(connection);
    expect(batch.buffer(0)).toBe(arena);
  });

  it('copies so that the next batch changes nothing', () => {
    const table = new Uint32Array(8);
    table[5] = 3;
    const arena = Buffer.from('abc');
    const batch = new ReceivedBatch(table, [], NOTHING_DEFERRED, new Map());
    batch.fill(1, arena, []);
    const copy = batch.copy(0);
    arena.fill('z');
    expect(copy.toString()).toBe('abc');
  });
});
