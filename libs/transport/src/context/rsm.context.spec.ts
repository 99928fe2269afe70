import { describe, expect, it } from '@jest/globals';
import { Outcome } from '@nestjs-rsm/segments';
import { RsmContext, type RsmContextHost } from './index.js';

class RecordingHost implements RsmContextHost {
  ackRefusal: string | undefined;
  readonly calls: unknown[] = [];
  ack(context: RsmContext, outcome: Outcome): void {
    this.calls.push(['ack', context, outcome]);
  }
  signalRequested(context: RsmContext): void {
    this.calls.push(['signal', context]);
  }
}

describe('RsmContext', () => {
  it('tells of the message', () => {
    const context = new RsmContext('a.b', { h: 1 }, { trace: 'x' }, 3, new RecordingHost());
    expect([context.getPattern(), context.getHeaders(), context.getMetadata(), context.getAttempt()]).toEqual([
      'a.b',
      { h: 1 },
      { trace: 'x' },
      3,
    ]);
    expect(context.getArgs()).toEqual(['a.b', { h: 1 }, { trace: 'x' }]);
    expect(context.getArgByIndex(0)).toBe('a.b');
    expect(Object.isFrozen(context.getHeaders())).toBe(true);
  });

  it('has frozen empty headers where none were sent', () => {
    const context = new RsmContext('a', undefined, undefined, 1, new RecordingHost());
    expect(context.getHeaders()).toEqual({});
    expect(Object.isFrozen(context.getHeaders())).toBe(true);
    expect(context.getMetadata()).toBeUndefined();
  });

  it('aborts its signal for the first reason, asked for before or after', () => {
    for (const askedBefore of [true, false]) {
      const host = new RecordingHost();
      const context = new RsmContext('a', undefined, undefined, 1, host);
      const before = askedBefore ? context.signal : undefined;
      context.markAborted('first');
      context.markAborted('second');
      expect(context.signal.aborted).toBe(true);
      expect(context.signal.reason).toBe('first');
      expect(context.signal).toBe(before ?? context.signal);
      expect(host.calls).toEqual(askedBefore ? [['signal', context]] : []);
    }
  });

  it('passes on the first of ack and nack', () => {
    const host = new RecordingHost();
    const context = new RsmContext('a', undefined, undefined, 1, host);
    expect(context.outcome).toBeUndefined();
    context.nack();
    context.ack();
    context.nack();
    expect(host.calls).toEqual([['ack', context, Outcome.nack]]);
    expect(context.outcome).toBe(Outcome.nack);
    const other = new RsmContext('a', undefined, undefined, 1, host);
    other.ack();
    expect(other.outcome).toBe(Outcome.done);
  });

  it('refuses ack and nack where they mean nothing', () => {
    const host = new RecordingHost();
    host.ackRefusal = "its ack mode is 'on-completion'";
    const context = new RsmContext('orders', undefined, undefined, 1, host);
    const refused = expect.objectContaining({
      code: 'RSM_INVALID_OPTIONS',
      message: expect.stringMatching(/ack\(\) on 'orders': its ack mode is 'on-completion'/),
    });
    expect(() => context.ack()).toThrow(refused);
    expect(() => context.nack()).toThrow(refused);
    expect(host.calls).toEqual([]);
  });
});
