import { describe, expect, it } from '@jest/globals';
import { checkTally, Tally } from './tally.js';

/** The result of a tally that was given these numbers where 10, 11, 12 were sent. */
function tallyOf(...numbers: number[]) {
  const tally = new Tally();
  tally.reset(10);
  numbers.forEach((number) => tally.add(number));
  return tally.reach(numbers.length);
}

describe('Tally', () => {
  it('passes when all came, in order', async () => {
    const result = await tallyOf(10, 11, 12);
    expect(result).toEqual({ handled: 3, fault: undefined });
    expect(() => checkTally(result, 3)).not.toThrow();
  });

  it('waits for those that are still to come', async () => {
    const tally = new Tally();
    tally.reset(10);
    tally.add(10);
    const reached = tally.reach(2);
    tally.add(11);
    expect(await reached).toEqual({ handled: 2, fault: undefined });
  });

  it.each([
    ['a lost', [10, 12, 13], '12 came where 11'],
    ['a doubled', [10, 10, 11], '10 came where 11'],
    ['an overtaking', [11, 10, 12], '11 came where 10'],
    ['a changed', [10, NaN, 12], 'changed content came where 11'],
  ])('names %s event', async (_case, numbers, fault) => {
    const result = await tallyOf(...numbers);
    expect(() => checkTally(result, 3)).toThrow(fault);
  });

  it('fails where fewer or more came than were sent', () => {
    expect(() => checkTally({ handled: 2 }, 3)).toThrow('3 events were sent, 2 arrived');
    expect(() => checkTally({ handled: 4 }, 3)).toThrow('3 events were sent, 4 arrived');
  });

  it('begins anew', async () => {
    const tally = new Tally();
    tally.reset(10);
    tally.add(99);
    tally.reset(20);
    tally.add(20);
    expect(await tally.reach(1)).toEqual({ handled: 1, fault: undefined });
  });
});

describe('a Tally without order', () => {
  async function resultOf(...numbers: number[]) {
    const tally = new Tally();
    tally.reset(10, false);
    numbers.forEach((number) => tally.add(number));
    return tally.reach(numbers.length);
  }

  it('takes events in any order', async () => {
    expect(await resultOf(12, 10, 11)).toEqual({ handled: 3, fault: undefined });
  });

  it('notices what came twice, was never sent, or was changed', async () => {
    expect((await resultOf(10, 11, 10)).fault).toBe('event 10 came twice, or was not sent');
    expect((await resultOf(9)).fault).toContain('event 9 came');
    expect((await resultOf(NaN)).fault).toContain('event with changed content came');
  });
});
