import { describe, expect, it } from '@jest/globals';
import { HandlerLimit, type Parked } from './handler-limit.js';

class Job implements Parked {
  dropped = false;

  constructor(
    private readonly name: string,
    private readonly log: string[],
    private readonly onStart: () => void = () => {},
  ) {}

  startParked(): void {
    this.log.push(this.name);
    this.onStart();
  }

  returnUnstarted(): void {
    this.dropped = true;
  }
}

describe('HandlerLimit', () => {
  it('lets so many in and starts the others in order as places come free', () => {
    const log: string[] = [];
    const limit = new HandlerLimit(2);
    expect([limit.enter(), limit.enter(), limit.enter()]).toEqual([true, true, false]);
    limit.park(new Job('a', log));
    limit.park(new Job('b', log));
    expect(limit.parked()).toHaveLength(2);
    limit.leave();
    expect(log).toEqual(['a']);
    limit.leave();
    expect(log).toEqual(['a', 'b']);
    expect(limit.enter()).toBe(false);
    limit.leave();
    expect(limit.enter()).toBe(true);
  });

  it('passes over what was given up', () => {
    const log: string[] = [];
    const limit = new HandlerLimit(1);
    limit.enter();
    const dropped = new Job('a', log);
    limit.park(dropped);
    limit.park(new Job('b', log));
    dropped.returnUnstarted();
    limit.leave();
    expect(log).toEqual(['b']);
  });

  it('runs through a long queue of handlers that end at once', () => {
    const log: string[] = [];
    const limit = new HandlerLimit(1);
    limit.enter();
    const count = 50_000;
    for (let i = 0; i < count; i++) {
      limit.park(new Job(String(i), log, () => limit.leave()));
    }
    limit.leave();
    expect(log).toHaveLength(count);
    expect(log[count - 1]).toBe(String(count - 1));
    expect(limit.enter()).toBe(true);
  });

  it('keeps no crowd of those that were given up while one runs', () => {
    const log: string[] = [];
    const limit = new HandlerLimit(1);
    limit.enter();
    limit.park(new Job('first', log));
    for (let i = 0; i < 10_000; i++) {
      const job = new Job('given up', log);
      limit.park(job);
      job.returnUnstarted();
      limit.forgetDropped();
    }
    limit.park(new Job('last', log));
    expect((limit as unknown as { waiting: unknown[] }).waiting.length).toBeLessThan(200);
    limit.leave();
    limit.leave();
    expect(log).toEqual(['first', 'last']);
  });
});
