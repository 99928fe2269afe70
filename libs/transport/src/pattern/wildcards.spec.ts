import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compile, hasWildcards } from './index.js';

describe('wildcard patterns', () => {
  it('match the equal pattern first, then wildcards in the order of registration', () => {
    const matcher = compile(['>', 'a.*', 'a.b', '*.b', 'a.>', '*.*', 'a.b.c', 'a.b', 'a.*']);
    expect(matcher.match('a.b')).toEqual(['a.b', '>', 'a.*', '*.b', 'a.>', '*.*']);
    expect(matcher.match('a.b.c')).toEqual(['a.b.c', '>', 'a.>']);
    expect(matcher.match('a')).toEqual(['>']);
    expect(compile(['a.*', 'a.>']).match('a')).toEqual([]);
    expect(compile(['a', 'b']).match('c')).toEqual([]);
  });

  it('take a wildcard for one only where it is a whole token', () => {
    const matcher = compile(['a*', 'b.>c', 'issue#1', '{"cmd":"x.*"}', '{"a":1,"b":"#.>.x"}']);
    expect(matcher.match('ab')).toEqual([]);
    for (const pattern of ['a*', 'b.>c', 'issue#1', '{"cmd":"x.*"}', '{"a":1,"b":"#.>.x"}']) {
      expect(hasWildcards(pattern)).toBe(false);
      expect(matcher.match(pattern)).toEqual([pattern]);
    }
    expect(['*', '>', 'a.*.b', 'a.>'].every(hasWildcards)).toBe(true);
  });

  it('agree with a plain comparison of tokens', () => {
    const token = fc.constantFrom('a', 'b', 'c', '');
    const message = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join('.'));
    const registered = fc
      .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([tokens, rest]) => [...tokens, ...(rest ? ['>'] : [])].join('.'));
    fc.assert(
      fc.property(fc.uniqueArray(registered, { maxLength: 12 }), message, (patterns, message) => {
        const wild = patterns.filter((pattern) => hasWildcards(pattern) && meets(pattern.split('.'), message.split('.')));
        expect(compile(patterns).match(message)).toEqual([...(patterns.includes(message) ? [message] : []), ...wild]);
      }),
      { numRuns: 1000 },
    );
  });

  it('do bounded work for patterns that were made to be slow', () => {
    const matcher = compile([`${'*.'.repeat(30)}x`, `${'a.'.repeat(30)}x`, '>']);
    expect(matcher.match('a.'.repeat(1_000_000))).toEqual(['>']);
  });

  it.each([
    ['a.#', "'#' is no wildcard here; write '>' for the rest of the tokens ('a.>')"],
    ['#', "write '>' for the rest"],
    ['a.>.b', "'>' is allowed as the last token only"],
    ['>.>', "'>' is allowed as the last token only"],
  ])('refuse %s', (pattern, message) => {
    expect(() => compile(['fine', pattern])).toThrow(
      expect.objectContaining({ code: 'RSM_INVALID_OPTIONS', message: expect.stringContaining(message) }),
    );
  });
});

function meets(pattern: string[], message: string[]): boolean {
  if (pattern.at(-1) === '>') {
    return message.length >= pattern.length && meets(pattern.slice(0, -1), message.slice(0, pattern.length - 1));
  }
  return pattern.length === message.length && pattern.every((token, i) => token === '*' || token === message[i]);
}
