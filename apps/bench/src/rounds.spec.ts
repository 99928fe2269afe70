import { describe, expect, it } from '@jest/globals';
import { runRounds } from './rounds.js';

/** Runs the plan and keeps what happened. The steps in `failing` fail. */
async function journal(
  rounds: number,
  subjects: string[],
  cells: string[],
  ...failing: string[]
): Promise<{ log: string[]; errors: string[] }> {
  const log: string[] = [];
  const errors: string[] = [];
  const noted = async (text: string): Promise<void> => {
    log.push(text);
    if (failing.includes(text)) throw new Error(text);
  };
  await runRounds({
    rounds,
    subjects,
    cells,
    start: async (subject) => {
      await noted(`start ${subject}`);
      return subject;
    },
    measure: (started, cell, subject) => noted(`${cell} ${subject}${started === subject ? '' : ' over another'}`),
    stop: (started) => noted(`stop ${started}`),
    failed: (subject, error) => errors.push(`${subject}: ${(error as Error).message}`),
  });
  return { log, errors };
}

describe('runRounds', () => {
  it('measures each cell over one subject right after the other, every other round backwards', async () => {
    const { log } = await journal(3, ['a', 'b'], ['x', 'y']);
    expect(log.filter((text) => /^[xy]/.test(text))).toEqual([
      ...['x a', 'x b', 'y a', 'y b'],
      ...['x b', 'x a', 'y b', 'y a'],
      ...['x a', 'x b', 'y a', 'y b'],
    ]);
  });

  it('starts every subject afresh for each round and stops it after', async () => {
    const { log } = await journal(2, ['a', 'b'], ['x']);
    expect(log).toEqual(['start a', 'start b', 'x a', 'x b', 'stop a', 'stop b', 'start b', 'start a', 'x b', 'x a', 'stop b', 'stop a']);
  });

  it('gives up a subject that fails, stops it, and goes on with the others', async () => {
    const { log, errors } = await journal(2, ['a', 'b'], ['x', 'y'], 'x b');
    expect(log).toEqual(['start a', 'start b', 'x a', 'x b', 'y a', 'stop a', 'stop b', 'start a', 'x a', 'y a', 'stop a']);
    expect(errors).toEqual(['b: x b']);
  });

  it('goes on without one that does not start', async () => {
    const { log, errors } = await journal(2, ['a', 'b'], ['x'], 'start b');
    expect(log).toEqual(['start a', 'start b', 'x a', 'stop a', 'start a', 'x a', 'stop a']);
    expect(errors).toEqual(['b: start b']);
  });

  it('counts one that does not stop as failed, but tells of its first failure only', async () => {
    expect((await journal(2, ['a'], ['x'], 'stop a')).errors).toEqual(['a: stop a']);
    expect((await journal(2, ['a'], ['x'], 'x a', 'stop a')).errors).toEqual(['a: x a']);
  });
});
