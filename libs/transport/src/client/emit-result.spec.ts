import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { Outcome } from '@nestjs-rsm/segments';
import { lastValueFrom, toArray } from 'rxjs';
import { Broadcast, BroadcastCopy } from './broadcast.js';
import { newClientCounters } from './client-counters.js';
import { EmitResult } from './emit-result.js';
import { FailureReporter } from './failure-reporter.js';

function make(confirm = false): {
  result: EmitResult;
  reporter: FailureReporter;
  reported: unknown[];
  counters: ReturnType<typeof newClientCounters>;
} {
  const reported: unknown[] = [];
  const counters = newClientCounters();
  const logger = new Logger('spec');
  logger.error = () => {};
  const reporter = new FailureReporter(logger, counters, (error) => reported.push(error));
  return { result: new EmitResult(reporter, 'a', confirm, undefined), reporter, reported, counters };
}

/** The reporter looks at the end of the loop's turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

describe('EmitResult', () => {
  it('emits one undefined and completes, for those who come before and after', async () => {
    const { result } = make();
    const before = lastValueFrom(result.pipe(toArray()));
    result.committed();
    result.failed(new Error('too late'));
    await expect(before).resolves.toEqual([undefined]);
    await expect(lastValueFrom(result.pipe(toArray()))).resolves.toEqual([undefined]);
  });

  it('with confirm waits for the release', async () => {
    const { result, reporter } = make(true);
    reporter.unconfirmed.add(result);
    result.committed();
    result.released(Outcome.nack);
    expect(result.state).toBe('pending');
    result.released(Outcome.done);
    expect(result.state).toBe('done');
    expect(reporter.unconfirmed.size).toBe(0);

    const failed = make(true).result;
    const error = lastValueFrom(failed).catch((reason: Error) => reason.message);
    failed.released(Outcome.failed);
    await expect(error).resolves.toMatch(/'a' was received, but a handler failed/);
  });

  it('reports failures only where nobody subscribed in the same turn', async () => {
    const { result, reporter, reported, counters } = make();
    const awaited = new EmitResult(reporter, 'b', false, undefined);
    const reason = new Error('unobserved');
    result.failed(reason);
    awaited.failed(new Error('awaited'));
    await expect(lastValueFrom(awaited)).rejects.toThrow('awaited');
    await turn();
    expect(reported).toEqual([reason]);
    expect([counters.failedEvents, counters.unobservedFailures]).toEqual([2, 1]);
  });
});

describe('Broadcast', () => {
  it('is done when every copy is, lost ones aside', () => {
    const { result } = make();
    const broadcast = new Broadcast(result, 3);
    const copies = [1, 2, 3].map(() => new BroadcastCopy(broadcast));
    copies[0]!.committed();
    copies[0]!.committed();
    copies[1]!.lost();
    expect(result.state).toBe('pending');
    copies[2]!.committed();
    expect(result.state).toBe('done');
  });

  it('fails where a copy fails or none arrives', () => {
    const one = make().result;
    const broadcast = new Broadcast(one, 2);
    new BroadcastCopy(broadcast).failed(new Error('full'));
    expect(one.state).toBe('pending');
    new BroadcastCopy(broadcast).committed();
    expect([one.state, (one.reason as Error).message]).toEqual(['failed', 'full']);

    const none = make().result;
    new BroadcastCopy(new Broadcast(none, 1)).lost();
    expect(none.state).toBe('failed');
  });
});
