import { describe, expect, it } from '@jest/globals';
import { runRounds } from './rounds.js';

/** Runs the plan and keeps what happened. Measuring `failing` fails. */
async function journal(rounds: number, peers: string[], cells: string[], failing?: string): Promise<{ log: string[]; error?: unknown }> {
  const log: string[] = [];
  const noted = async (text: string): Promise<void> => {
    log.push(text);
    if (text === failing) throw new Error(`${text} failed`);
  };
  try {
    await runRounds({
      rounds,
      peers,
      cells,
      start: async (peer) => {
        await noted(`start ${peer}`);
        return peer;
      },
      measure: (started, cell, peer) => noted(`${cell} ${peer}${started === peer ? '' : ' over another'}`),
      stop: (started) => noted(`stop ${started}`),
    });
    return { log };
  } catch (error) {
    return { log, error };
  }
}

describe('runRounds', () => {
  it('measures each cell over one peer right after the other, every other round backwards', async () => {
    const { log } = await journal(3, ['a', 'b'], ['x', 'y']);
    expect(log.filter((text) => /^[xy]/.test(text))).toEqual([
      ...['x a', 'x b', 'y a', 'y b'],
      ...['x b', 'x a', 'y b', 'y a'],
      ...['x a', 'x b', 'y a', 'y b'],
    ]);
  });

  it('starts every peer afresh for each round and stops it after', async () => {
    const { log } = await journal(2, ['a', 'b'], ['x']);
    expect(log).toEqual(['start a', 'start b', 'x a', 'x b', 'stop a', 'stop b', 'start b', 'start a', 'x b', 'x a', 'stop b', 'stop a']);
  });

  it('stops all peers when a measurement fails, and measures no more', async () => {
    const { log, error } = await journal(2, ['a', 'b'], ['x', 'y'], 'x b');
    expect(log).toEqual(['start a', 'start b', 'x a', 'x b', 'stop a', 'stop b']);
    expect(error).toEqual(new Error('x b failed'));
  });

  it('stops those that had started when another does not', async () => {
    const { log, error } = await journal(1, ['a', 'b'], ['x'], 'start b');
    expect(log).toEqual(['start a', 'start b', 'stop a']);
    expect(error).toEqual(new Error('start b failed'));
  });
});
