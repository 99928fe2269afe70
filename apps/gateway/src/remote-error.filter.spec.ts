import { BadGatewayException, ConflictException } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { toHttpException } from './remote-error.filter.js';

describe('toHttpException', () => {
  it.each([
    [{ code: 'NOT_FOUND', message: 'there is no airport XXX' }, 404, 'there is no airport XXX'],
    [{ code: 'INVALID', message: 'limit must be an integer' }, 400, 'limit must be an integer'],
    [Object.assign(new Error('no instance'), { code: 'RSM_UNREACHABLE' }), 503, 'no instance'],
    [Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), 503, 'refused'],
    ['Internal server error', 502, 'Internal server error'],
    [{ status: 'error', message: 'Internal server error' }, 502, 'Internal server error'],
    [undefined, 502, 'undefined'],
  ])('%p is answered with %i', (error, status, message) => {
    const exception = toHttpException(error);
    expect(exception.getStatus()).toBe(status);
    expect(exception.message).toBe(message);
  });

  it('leaves an HTTP exception as it is', () => {
    const conflict = new ConflictException();
    expect(toHttpException(conflict)).toBe(conflict);
    expect(toHttpException(new BadGatewayException('x')).message).toBe('x');
  });
});
