import { describe, expect, it } from '@jest/globals';
import { hostile } from '../support/hostile-peer.js';
import { useHostileTarget } from '../support/hostile-target.js';

const target = useHostileTarget();

describe('order slots and directory entries', () => {
  it.each([
    ['group', 'names group 9'],
    ['largest group', 'names group 4294967295'],
    ['partition', 'begins in partition'],
    ['no entry', 'directory entry does not say so'],
    ['mark', 'directory entry does not say so'],
    ['lane', 'names lane 3'],
    ['length', 'more than a span of its group holds'],
    ['one byte over the span', 'more than a span of its group holds'],
    ['over the end', "over the segment's end"],
    ['chain to elsewhere', 'not contiguous'],
    ['chain in a circle', 'not contiguous'],
    ['chain too long', 'not contiguous'],
    ['fragments without end', 'maxMessageSize'],
  ])('end the connection: %s', async (how, reason) => {
    const outcome = await hostile(target.path, 'spoil_message', how);
    expect(outcome).toMatchObject({ ended: true, code: 'RSM_CORRUPT_SEGMENT' });
    expect(outcome.text).toContain(reason);
    await target.logged(reason);
  });

  it('end the connection where messages overlap', async () => {
    expect(await hostile(target.path, 'spoil_message', 'overlapping')).toMatchObject({ ended: true });
    await target.logged(' ended: '); // as the first frame is read, or as the partitions run out
  });

  it('are no message where the sequence is not the next', async () => {
    const events = await target.service.call<number>('events');
    expect(await hostile(target.path, 'sequences')).toMatchObject({ ended: true, code: null });
    expect(await target.service.call('events')).toBe(events + 1);
  });
});

describe('releases', () => {
  it.each([
    ['never sent', 'not in flight there'],
    ['sequence 0', 'not in flight there'],
    ['other cell', 'not in flight there'],
    ['wild cell', 'not in flight there'],
    ['twice', 'not in flight there'],
    ['nacked, then done', 'not in flight there'],
    ['outcome 0', 'unknown outcome'],
    ['outcome 15', 'unknown outcome'],
  ])('end the connection: %s', async (how, reason) => {
    const outcome = await hostile(target.path, 'spoil_release', how);
    expect(outcome).toMatchObject({ ended: true, code: 'RSM_CORRUPT_SEGMENT' });
    expect(outcome.text).toContain(reason);
    await target.logged(reason);
  });
});

describe('bytes that are rewritten while they are decoded', () => {
  it.each([
    ['JSON', 1],
    ['MessagePack', 2],
    ['text', 3],
  ])('%s', async (_, format) => {
    const outcome = await hostile(target.path, 'rewrite', format, 700);
    expect(outcome.ended).toBe(true);
    expect((outcome['answered'] as number) + (outcome['refused'] as number)).toBeGreaterThan(0);
    // The only way out is that the server hangs up.
    expect(['None', '']).toEqual(expect.arrayContaining(outcome['codes'] as string[]));
  });
});
