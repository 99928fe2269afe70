import { describe, expect, it } from '@jest/globals';
import { differencesOf, faultsOf, killFaultsOf } from './faults.js';
import { killRunOf, runOf } from './run.fixture.js';

describe('faultsOf', () => {
  it('finds none when every event arrived once', () => {
    expect(faultsOf(runOf('rsm'), 4)).toEqual([]);
  });

  it('names what is missing', () => {
    const run = runOf('tcp');
    Object.assign(run.replay.received, { flights: 2, missing: 2, firstMissing: [0, 3], totalDelay: 40, checksum: 7 });
    expect(faultsOf(run, 4)).toEqual([
      'tcp: 4 events were sent, 2 received',
      'tcp: 2 missing: sequence 0, 3',
      'tcp: the delays add up to 40 minutes, not 60',
      'tcp: the checksum of the delays is 7, not 99',
    ]);
  });

  it('finds a doubled event that hides a missing one', () => {
    const run = runOf('rsm');
    Object.assign(run.replay.received, { missing: 1, firstMissing: [2], doubled: 1, firstDoubled: [1] });
    expect(faultsOf(run, 4)).toEqual(['rsm: 1 doubled: sequence 1', 'rsm: 1 missing: sequence 2']);
  });

  it('names some of many', () => {
    const run = runOf('rsm');
    Object.assign(run.replay.received, { missing: 1_000, firstMissing: [0, 1] });
    expect(faultsOf(run, 4)).toEqual(['rsm: 1000 missing: sequence 0, 1, …']);
  });

  it('finds emits that failed, though they were repeated', () => {
    const run = runOf('rsm');
    run.replay.repeated = 3;
    expect(faultsOf(run, 4)).toEqual(['rsm: 3 emits failed']);
  });

  it('finds that fewer were sent than asked for, and a changed payload', () => {
    const run = runOf('rsm');
    run.replay.received.checksum = 98;
    expect(faultsOf(run, 5)).toEqual(['rsm: 4 of 5 flights were sent', 'rsm: the checksum of the delays is 98, not 99']);
  });
});

describe('killFaultsOf', () => {
  it('finds none when every event was handled, one of them twice', () => {
    expect(killFaultsOf(killRunOf('rsm'))).toEqual([]);
  });

  it('names what segments lost, and does not count against Nest TCP what it never promised', () => {
    const lost = { flights: 3, missing: 1, firstMissing: [2], totalDelay: 45, checksum: 7 };
    const [rsm, tcp] = [killRunOf('rsm'), killRunOf('tcp')];
    [rsm, tcp].forEach(({ replay }) => Object.assign(replay.received, lost));
    expect(killFaultsOf(rsm)).toEqual([
      'rsm, with the kill: 4 events were sent, 3 received',
      'rsm, with the kill: 1 missing: sequence 2',
      'rsm, with the kill: the delays add up to 45 minutes, not 60',
      'rsm, with the kill: the checksum of the delays is 7, not 99',
    ]);
    expect(killFaultsOf(tcp)).toEqual([]);
  });

  it('finds a kill that came when all was over', () => {
    const run = killRunOf('tcp');
    run.replay.received.recovered = 4;
    expect(killFaultsOf(run)).toEqual(['tcp, with the kill: all 4 events had been handled before the kill']);
  });
});

describe('differencesOf', () => {
  it('finds none in equal answers, however long they took', () => {
    expect(differencesOf(runOf('rsm'), runOf('tcp', 10))).toEqual([]);
  });

  it('names the answers that differ', () => {
    const other = runOf('tcp');
    other.answers.top[0].delayed = 3;
    other.answers.map = 'a2';
    expect(differencesOf(runOf('rsm'), other)).toEqual(['rsm and tcp answer differently: top', 'rsm and tcp answer differently: map']);
  });
});
