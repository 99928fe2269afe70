import { describe, expect, it } from '@jest/globals';
import { RpcException } from '@nestjs/microservices';
import { isRetriable, RsmError, RsmRetriableException } from './errors.js';

describe('RsmRetriableException', () => {
  it('carries message, delay and cause', () => {
    const cause = new Error('below');
    const error = new RsmRetriableException('later', { delay: 250, cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'RsmRetriableException', message: 'later', delay: 250, cause });
    expect(new RsmRetriableException()).toMatchObject({ delay: undefined, message: expect.any(String) });
  });

  it("passes Nest's exception filter as it is, and is told to clients as any RpcException", () => {
    const error = new RsmRetriableException('later');
    expect(error).toBeInstanceOf(RpcException);
    expect(error.getError()).toBe(error);
    expect(JSON.parse(JSON.stringify(error))).toEqual({ status: 'error', message: 'later' });
  });

  it('is recognised by brand', () => {
    class Busy extends RsmRetriableException {}
    expect(isRetriable(new Busy())).toBe(true);
    expect(isRetriable({ [Symbol.for('nestjs-rsm.retriable')]: true })).toBe(true);
    for (const value of [new Error('x'), null, undefined, 'RsmRetriableException', { name: 'RsmRetriableException' }]) {
      expect(isRetriable(value)).toBe(false);
    }
  });

  it.each([-1, NaN, Infinity, '5'])('refuses a delay of %p', (delay) => {
    let caught: unknown;
    try {
      new RsmRetriableException('x', { delay: delay as number });
    } catch (error) {
      caught = error;
    }
    expect(RsmError.is(caught) && caught.code).toBe('RSM_INVALID_OPTIONS');
  });
});
