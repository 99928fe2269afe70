import { describe, expect, it } from '@jest/globals';
import { isRsmRecord, RsmRecordBuilder } from './index.js';

describe('RsmRecordBuilder', () => {
  it('builds a record with everything that was set', () => {
    const record = new RsmRecordBuilder({ n: 1 })
      .setHeaders({ a: '1' })
      .setTimeout(500)
      .setConfirm()
      .setIdempotent()
      .setKey('k')
      .setRouting('broadcast')
      .build();
    expect(isRsmRecord(record)).toBe(true);
    expect(record.data).toEqual({ n: 1 });
    expect(record.options).toEqual({ headers: { a: '1' }, timeout: 500, confirm: true, idempotent: true, key: 'k', routing: 'broadcast' });
  });

  it('can be used again without changing records already built', () => {
    const headers: Record<string, unknown> = { a: '1' };
    const builder = new RsmRecordBuilder<string>().setData('one').setHeaders(headers).setConfirm(false);
    const first = builder.build();
    headers['a'] = '2';
    const second = builder.setData('two').setKey('k').build();
    expect([first.data, first.options]).toEqual(['one', { headers: { a: '1' }, confirm: false }]);
    expect([second.data, second.options.key]).toEqual(['two', 'k']);
    expect(Object.isFrozen(first.options)).toBe(true);
  });

  it.each<[string, (builder: RsmRecordBuilder) => unknown]>([
    ['setTimeout: 0 was given; allowed: 1 to 2147483647 milliseconds', (builder) => builder.setTimeout(0)],
    ['setTimeout: NaN', (builder) => builder.setTimeout(NaN)],
    ['setTimeout: Infinity', (builder) => builder.setTimeout(Infinity)],
    ['setTimeout: "5"', (builder) => builder.setTimeout('5' as never)],
    ['setHeaders: null', (builder) => builder.setHeaders(null as never)],
    ['setHeaders: 1,2', (builder) => builder.setHeaders([1, 2] as never)],
    ['setConfirm: 1', (builder) => builder.setConfirm(1 as never)],
    ['setIdempotent: "yes"', (builder) => builder.setIdempotent('yes' as never)],
    ['setKey: ""', (builder) => builder.setKey('')],
    ['setKey: "xxx', (builder) => builder.setKey('x'.repeat(257))],
    ["setRouting: \"all\" was given; allowed: 'balance' and 'broadcast'", (builder) => builder.setRouting('all' as never)],
  ])('refuses %s', (message, set) => {
    expect(() => set(new RsmRecordBuilder())).toThrow(
      expect.objectContaining({ code: 'RSM_INVALID_OPTIONS', message: expect.stringContaining(message) }),
    );
  });
});

it('records are recognised by brand, payloads never', () => {
  const foreign = Object.create({ [Symbol.for('nestjs-rsm.record')]: true }) as object;
  expect(isRsmRecord(foreign)).toBe(true);
  for (const value of [null, undefined, 'x', 1, {}, { data: 1, options: {} }]) {
    expect(isRsmRecord(value)).toBe(false);
  }
});
