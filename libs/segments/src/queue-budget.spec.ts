import { describe, expect, it } from '@jest/globals';
import { QueueBudget } from './queue-budget.js';

describe('QueueBudget', () => {
  it('takes up to both limits, exactly', () => {
    const budget = new QueueBudget(100, 3);
    expect([budget.take(60), budget.take(41), budget.take(40), budget.take(0), budget.take(0)]).toEqual([true, false, true, true, false]);
    expect(budget).toMatchObject({ bytes: 100, messages: 3 });
  });

  it('always takes one message alone', () => {
    const budget = new QueueBudget(10, 1);
    expect(budget.take(1_000_000)).toBe(true);
    expect(budget.take(0)).toBe(false);
    budget.give(1_000_000);
    expect(budget.take(11)).toBe(true);
  });

  it('counts what is forced beyond the limits, and takes nothing before that has gone', () => {
    const budget = new QueueBudget(10, 10);
    budget.force(20);
    budget.force(20);
    budget.give(20);
    expect(budget.take(1)).toBe(false);
    budget.give(20);
    expect(budget).toMatchObject({ bytes: 0, messages: 0 });
    expect(budget.take(1)).toBe(true);
  });

  it('refuses limits that are none', () => {
    expect(() => new QueueBudget(0, 1)).toThrow(/maxQueuedBytes/);
    expect(() => new QueueBudget(1, 1.5)).toThrow(/maxQueuedMessages/);
  });
});
