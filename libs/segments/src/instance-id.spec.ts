import { describe, expect, it } from '@jest/globals';
import { INSTANCE_ID_LENGTH, newInstanceId } from './instance-id.js';

describe('newInstanceId', () => {
  it('is a short name in lower case, never the same twice', () => {
    const ids = Array.from({ length: 10_000 }, newInstanceId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z2-7]+$/);
    expect(new Set(ids.map((id) => id.length))).toEqual(new Set([INSTANCE_ID_LENGTH]));
  });
});
