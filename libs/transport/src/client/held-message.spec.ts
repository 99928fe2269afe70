import { describe, expect, it } from '@jest/globals';
import { Lane, QueueBudget } from '@nestjs-rsm/segments';
import { type HeldMessage, HeldQueue } from './held-message.js';

function message(name: string, expires = Infinity): HeldMessage {
  return { lane: Lane.events, attempt: 0, bytes: Buffer.from(name), watcher: undefined, suspect: false, expires };
}

function names(messages: readonly HeldMessage[]): string[] {
  return messages.map(({ bytes }) => bytes.toString());
}

describe('HeldQueue', () => {
  it('keeps the order, puts accepted messages before all others, and counts each once', () => {
    const budget = new QueueBudget(100, 100);
    const queue = new HeldQueue(budget);
    for (const name of ['c', 'd']) {
      budget.take(1);
      queue.pushCounted(message(name));
    }
    queue.unshiftAll([message('a'), message('b')]);
    expect([budget.bytes, budget.messages, queue.length]).toEqual([4, 4, 4]);
    expect(names([queue.shift()!])).toEqual(['a']);
    expect(names(queue.takeAll())).toEqual(['b', 'c', 'd']);
    expect([budget.bytes, budget.messages, queue.length, queue.shift()]).toEqual([0, 0, 0, undefined]);
  });

  it('stays in order over many messages', () => {
    const budget = new QueueBudget(1e9, 1e9);
    const queue = new HeldQueue(budget);
    const count = 10_000;
    for (let i = 0; i < count; i++) {
      const held = message(String(i));
      budget.take(held.bytes.length);
      queue.pushCounted(held);
    }
    for (let i = 0; i < count; i++) {
      expect(queue.shift()!.bytes.toString()).toBe(String(i));
    }
    expect(budget.bytes).toBe(0);
  });

  it('takes out what has expired and leaves the rest in order', () => {
    const budget = new QueueBudget(100, 100);
    const queue = new HeldQueue(budget);
    expect(queue.earliestExpiry()).toBe(Infinity);
    queue.unshiftAll([message('a'), message('b', 20), message('c', 10), message('d', 30)]);
    expect(queue.earliestExpiry()).toBe(10);
    expect(names(queue.takeExpired(20))).toEqual(['b', 'c']);
    expect(names(queue.takeAll())).toEqual(['a', 'd']);
    expect(budget.messages).toBe(0);
  });

  it('takes accepted messages beyond the limits', () => {
    const budget = new QueueBudget(1, 1);
    const queue = new HeldQueue(budget);
    queue.unshiftAll([message('long one'), message('another')]);
    expect(queue.length).toBe(2);
    expect(budget.take(1)).toBe(false);
  });
});
