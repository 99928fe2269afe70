import { describe, expect, it } from '@jest/globals';
import { QueueBudget } from './queue-budget.js';
import { SendQueue } from './send-queue.js';
import type { QueuedMessage } from './types.js';

function message(length: number): QueuedMessage {
  return { lane: 1, attempt: 0, bytes: Buffer.alloc(length) };
}

function add(queue: SendQueue, length: number): QueuedMessage | undefined {
  if (!queue.reserve(length)) return undefined;
  const added = message(length);
  queue.push(added);
  return added;
}

describe('SendQueue', () => {
  it('gives messages back in order and their budget with them', () => {
    const budget = new QueueBudget(1000, 1000);
    const queue = new SendQueue(budget);
    const added = [5, 0, 7].map((length) => add(queue, length));
    expect(queue).toMatchObject({ bytes: 12, length: 3 });
    const seen = [];
    while (queue.length > 0) {
      seen.push(queue.first());
      queue.shift();
    }
    expect(seen).toEqual(added);
    expect([queue.bytes, budget.bytes, budget.messages]).toEqual([0, 0, 0]);
  });

  it('lets a message to the front even where the budget is used up', () => {
    const budget = new QueueBudget(10, 10);
    const queue = new SendQueue(budget);
    const waiting = add(queue, 10);
    expect(add(queue, 1)).toBeUndefined();
    const returned = message(8);
    queue.reserveBeyond(8);
    queue.unshift(returned);
    expect(queue.first()).toBe(returned);
    expect(queue.takeAll()).toEqual([returned, waiting]);
    expect([queue.length, queue.bytes, budget.bytes, budget.messages]).toEqual([0, 0, 0, 0]);
  });

  it('shares one budget with other queues', () => {
    const budget = new QueueBudget(10, 10);
    const [one, two] = [new SendQueue(budget), new SendQueue(budget)];
    add(one, 9);
    expect(add(two, 2)).toBeUndefined();
    one.takeAll();
    expect(add(two, 2)).toBeDefined();
    expect(one.bytes + two.bytes).toBe(budget.bytes);
  });
});
