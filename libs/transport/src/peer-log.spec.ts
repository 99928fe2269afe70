import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { PeerLog } from './peer-log.js';

describe('PeerLog', () => {
  let lines: string[];
  let log: PeerLog;

  beforeEach(() => {
    jest.useFakeTimers();
    lines = [];
    log = new PeerLog({ error: (line: unknown) => void lines.push(String(line)) });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('logs the first of each reason at once', () => {
    log.report('a wrong magic');
    log.report('a wrong length');
    expect(lines).toEqual(['a wrong magic', 'a wrong length']);
  });

  it('sums up what follows, once a second, with the number and the newest', () => {
    for (let i = 0; i < 5000; i++) log.report(`a wrong length, ${i}`);
    expect(lines).toEqual(['a wrong length, 0']);
    jest.advanceTimersByTime(1000);
    expect(lines.slice(1)).toEqual(['4999 more of what peers did wrong; most often: 4999 × a wrong length, 4999']);
    log.report('a wrong length, 7');
    expect(lines).toHaveLength(2);
    jest.advanceTimersByTime(1000);
    expect(lines[2]).toContain('1 more of what peers did wrong; most often: 1 × a wrong length, 7');
  });

  it('takes for one reason what differs in numbers and names', () => {
    log.report('client abc (process 1) sent nothing', 'abc');
    log.report('client xyz (process 2) sent nothing', 'xyz');
    expect(lines).toEqual(['client abc (process 1) sent nothing']);
  });

  it('is news again after a quiet second', () => {
    log.report('a wrong magic');
    jest.advanceTimersByTime(1000);
    log.report('a wrong magic');
    expect(lines).toEqual(['a wrong magic', 'a wrong magic']);
  });

  it('keeps few reasons, however many a peer invents', () => {
    for (let i = 0; i < 100_000; i++) log.report(`pattern ${i.toString(36).replace(/\d/g, (digit) => 'ABCDEFGHIJ'[Number(digit)]!)}`);
    expect(lines).toHaveLength(16);
    jest.advanceTimersByTime(1000);
    expect(lines).toHaveLength(17);
    expect(lines[16]).toContain(`${100_000 - 16} more`);
  });

  it('keeps lines short and free of what could forge others or steer a terminal', () => {
    log.report(`first\nsecond\u001b[31m\u009b\u2028${'x'.repeat(100_000)}`);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('first?second?[31m??xxx');
    expect(lines[0]!.length).toBeLessThan(1100);
  });

  it('has no timer where there is nothing to say', () => {
    log.report('a wrong magic');
    jest.advanceTimersByTime(2000);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('says what it has counted when it is flushed', () => {
    log.report('a wrong magic');
    log.report('a wrong magic');
    log.flush();
    expect(lines).toHaveLength(2);
    log.flush();
    expect(lines).toHaveLength(2);
  });
});
