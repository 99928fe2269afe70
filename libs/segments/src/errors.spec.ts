import { describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';
import { fromNative, RsmError } from './errors.js';

describe('RsmError', () => {
  it('is recognised by its brand, also when another copy of the class made it', () => {
    const foreign = Object.assign(new Error('x'), { code: 'RSM_TIMEOUT' });
    expect(RsmError.is(foreign)).toBe(false);
    Object.defineProperty(foreign, Symbol.for('nestjs-rsm.error'), { value: true });
    expect(RsmError.is(foreign)).toBe(true);
    expect(RsmError.is(new RsmError('RSM_TIMEOUT', 'x'))).toBe(true);
    for (const value of [undefined, null, 'RSM_TIMEOUT', {}, new Error('x')]) expect(RsmError.is(value)).toBe(false);
  });

  it('carries code, message, cause and name', () => {
    const cause = new Error('inner');
    const error = new RsmError('RSM_UNREACHABLE', 'outer', { cause });
    expect(error).toMatchObject({ code: 'RSM_UNREACHABLE', message: 'outer', cause, name: 'RsmError' });
    expect(error).toBeInstanceOf(Error);
  });

  it('shows no cause where there is none', () => {
    expect(inspect(new RsmError('RSM_TIMEOUT', 'x', { cause: undefined }))).not.toContain('cause');
    expect(inspect(new RsmError('RSM_TIMEOUT', 'x', { cause: new Error('inner') }))).toContain('cause');
  });
});

describe('fromNative', () => {
  it('types errors with an RSM code and names where they happened', () => {
    const native = Object.assign(new Error('gone'), { code: 'RSM_CONNECTION_LOST' });
    const error = fromNative(native, 'instance x');
    expect(error).toMatchObject({ code: 'RSM_CONNECTION_LOST', message: 'gone (instance x)', cause: native });
    expect(RsmError.is(error)).toBe(true);
  });

  it('leaves every other error alone', () => {
    const typeError = new TypeError('payload');
    expect(fromNative(typeError, 'x')).toBe(typeError);
    const typed = new RsmError('RSM_TIMEOUT', 'x');
    expect(fromNative(typed, 'y')).toBe(typed);
  });
});
