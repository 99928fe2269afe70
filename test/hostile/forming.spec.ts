import { describe, expect, it } from '@jest/globals';
import { hostile, HostilePeer } from '../support/hostile-peer.js';
import { TARGET_MAX_MEMORY, useHostileTarget } from '../support/hostile-target.js';
import { eventually } from '../support/index.js';

const target = useHostileTarget();

describe('regions and doorbells', () => {
  it.each([
    ['unsealed target', 'RSM_CORRUPT_SEGMENT', 'not sealed'],
    ['unsealed release', 'RSM_CORRUPT_SEGMENT', 'not sealed'],
    ['target that may shrink', 'RSM_CORRUPT_SEGMENT', 'not sealed'],
    ['target that cannot be written', 'RSM_CORRUPT_SEGMENT', 'cannot be written'],
    ['target in a file', 'RSM_CORRUPT_SEGMENT', 'not sealed'],
    ['target that is a pipe', 'RSM_CORRUPT_SEGMENT', 'were agreed'],
    ['target too small', 'RSM_CORRUPT_SEGMENT', 'were agreed'],
    ['release too small', 'RSM_CORRUPT_SEGMENT', 'were agreed'],
    ['empty target', 'RSM_CORRUPT_SEGMENT', 'were agreed'],
    ['release size not agreed', 'RSM_CORRUPT_SEGMENT', 'other segments'],
    ['target beyond maxMemory', 'RSM_BACKPRESSURE', 'larger than maxMemory'],
    ['segment beyond its region', 'RSM_CORRUPT_SEGMENT', 'does not lie in its target region'],
    ['segment over the ring', 'RSM_CORRUPT_SEGMENT', 'does not lie in its target region'],
    ['directory that wraps around', 'RSM_CORRUPT_SEGMENT', 'does not lie in its target region'],
    ['more partitions than announced', 'RSM_CORRUPT_SEGMENT', ''],
    ['segment in another region', 'RSM_CORRUPT_SEGMENT', 'does not lie in its target region'],
    ['bell that is a file', 'RSM_CORRUPT_SEGMENT', 'no pipe'],
    ['bell that is a socket', 'RSM_CORRUPT_SEGMENT', 'no pipe'],
    ['target opened for reading', 'RSM_UNSUPPORTED_PLATFORM', 'cannot be mapped'],
  ])('refuses a %s', async (how, code, reason) => {
    const outcome = await hostile(target.path, 'spoil_forming', how);
    expect(outcome).toMatchObject({ ended: true, code });
    expect(outcome.text).toContain(reason);
    await target.logged(outcome.text!);
  });

  it.each([0, 1, 2, 9, 200])('refuses %i descriptors where three are due', async (count) => {
    expect(await hostile(target.path, 'descriptors', count)).toMatchObject({ ended: true, code: 'RSM_PROTOCOL_MISMATCH' });
    await target.logged('descriptors');
  });

  it('keeps no descriptors that nobody asked for', async () => {
    expect(await hostile(target.path, 'unasked_descriptors', 40)).toMatchObject({ ended: true });
  });

  it('has regions that nobody can truncate', async () => {
    expect(await hostile(target.path, 'truncate')).toMatchObject({ ended: true, code: null, failures: 3 });
  });

  it('goes on while processes write into its doorbell without end', async () => {
    const ringing = new HostilePeer('client', target.path, 'ring_without_end', 1500, 4);
    await ringing.atWork();
    await target.companion.undisturbed(20);
    expect(await ringing.end()).toMatchObject({ ended: true });
  });

  it('takes no doorbell with a name that nobody listens to', async () => {
    const outcome = await hostile(target.path, 'unheard_bell');
    expect(outcome).toMatchObject({ ended: true, code: 'RSM_CONNECTION_LOST', text: expect.stringContaining('nobody listens') });
  });

  it('goes on while a client writes control frames without end', async () => {
    const writing = hostile(target.path, 'notices', 1000);
    await target.companion.undisturbed(20);
    expect(await writing).toMatchObject({ ended: true, code: null });
  });

  it('never waits for a doorbell that is full', async () => {
    expect(await hostile(target.path, 'deaf', 20)).toMatchObject({ ended: true, code: null });
  });
});

describe('memory', () => {
  it('stops at maxMemory, and gives it back', async () => {
    const outcome = await hostile(target.path, 'hoard', 400);
    expect(outcome['codes']).toEqual(['RSM_BACKPRESSURE']);
    expect(outcome['formed']).toBeGreaterThan(10);
    expect(outcome['formed']).toBeLessThan(400);
    await target.logged('maxMemory');
    const { reservedBytes } = await target.service.call<Record<string, number>>('segmentCounters');
    expect(reservedBytes).toBeLessThanOrEqual(TARGET_MAX_MEMORY);
    await eventually(async () => expect((await target.service.call('connections')).now).toBe(1));
  });
});
