import type { ClientProxy } from '@nestjs/microservices';
import { concat, forkJoin, type Observable, take, toArray } from 'rxjs';

/** One thing a client does, and what it must see over every transport. */
export interface ConformanceCase {
  name: string;
  act: (client: ClientProxy) => Observable<unknown>;
  values: unknown[];
  /** As plain data; absent: completes. */
  error?: unknown;
  /** What the handlers note of it, in any order. */
  log?: unknown[][];
}

const INTERNAL = { status: 'error', message: 'Internal server error' };
const NO_HANDLER = 'There is no matching message handler defined in the remote service.';
const INVALID = { name: 'Error', message: 'The invalid data or message pattern (undefined/null)' };

const ask =
  (pattern: any, data: unknown = 0) =>
  (client: ClientProxy): Observable<unknown> =>
    client.send(pattern, data);
const tell =
  (pattern: any, data: unknown = 0) =>
  (client: ClientProxy): Observable<unknown> =>
    client.emit(pattern, data);

const patterns: ConformanceCase[] = [
  { name: 'a string pattern', act: ask('string', 1), values: [{ by: 'string', data: 1 }] },
  { name: 'an object pattern', act: ask({ cmd: 'object', nested: { b: 1, a: 'x' } }), values: [{ by: 'object', data: 0 }] },
  {
    name: 'an object pattern with its keys in another order',
    act: ask({ nested: { a: 'x', b: 1 }, cmd: 'object' }),
    values: [{ by: 'object', data: 0 }],
  },
  { name: 'a string that looks like the JSON of an object pattern', act: ask('{"cmd":"json"}'), values: [{ by: 'json', data: 0 }] },
  {
    name: 'the same with spaces and more keys',
    act: ask('{ "nested": {"a":"x","b":1}, "cmd": "object" }'),
    values: [{ by: 'object', data: 0 }],
  },
  { name: 'a number', act: ask(7), values: [{ by: 'number', data: 0 }] },
  { name: 'a string that looks like a number', act: ask('7'), values: [{ by: 'number', data: 0 }] },
  { name: 'a string that looks like a JSON list', act: ask('[1,2]'), values: [], error: NO_HANDLER },
  { name: 'a string that looks like a JSON boolean', act: ask('true'), values: [], error: NO_HANDLER },
  { name: 'a string that looks like JSON null', act: ask('null'), values: [], error: NO_HANDLER },
  { name: 'a string that looks like a JSON string', act: ask('"quoted"'), values: [], error: NO_HANDLER },
  { name: 'a string with braces that is not JSON', act: ask('ends with } {'), values: [{ by: 'braces' }] },
  { name: 'a pattern with multi-byte characters', act: ask('größe.✈'), values: [{ by: 'unicode' }] },
  { name: 'the first of several patterns of one handler', act: ask('first'), values: [{ by: 'several', pattern: 'first' }] },
  { name: 'the second of several patterns of one handler', act: ask('second'), values: [{ by: 'several', pattern: 'second' }] },
  { name: 'an object pattern, as the context shows it', act: ask({ cmd: 'pattern' }), values: ['{"cmd":"pattern"}'] },
  { name: 'an unknown string pattern', act: ask('unknown'), values: [], error: NO_HANDLER },
  { name: 'an unknown object pattern', act: ask({ cmd: 'unknown' }), values: [], error: NO_HANDLER },
  { name: 'an empty pattern', act: ask(''), values: [], error: NO_HANDLER },
  { name: 'a pattern that names a property of every object', act: ask('__proto__'), values: [], error: NO_HANDLER },
  { name: 'a null pattern', act: ask(null), values: [], error: INVALID },
  { name: 'an undefined pattern', act: (client) => client.send(undefined, 0), values: [], error: INVALID },
];

const echoed: unknown[] = [
  0,
  -1.5,
  '',
  'text',
  'größe ✈ 𝄞',
  true,
  false,
  [],
  {},
  [1, [2, [3]]],
  { a: { b: [null, { c: '' }] } },
  [null],
  { '': 1 },
];

const payloads: ConformanceCase[] = [
  ...echoed.map((data) => ({ name: `the payload ${JSON.stringify(data)}`, act: ask('echo', data), values: [data] })),
  { name: 'properties that are undefined', act: ask('echo', { a: undefined, b: 1 }), values: [{ b: 1 }] },
  { name: 'a Date', act: ask('echo', { at: new Date(0) }), values: [{ at: '1970-01-01T00:00:00.000Z' }] },
  { name: 'numbers JSON does not have', act: ask('echo', [NaN, Infinity]), values: [[null, null]] },
  { name: 'an object with toJSON', act: ask('echo', { toJSON: () => 'shown' }), values: ['shown'] },
  { name: 'a number stays a number', act: ask('type', 5), values: ['number'] },
  { name: 'a string that looks like a number stays a string', act: ask('type', '5'), values: ['string'] },
  { name: 'a string that looks like an object stays a string', act: ask('type', '{"a":1}'), values: ['string'] },
  { name: 'a null payload', act: ask('echo', null), values: [], error: INVALID },
  { name: 'an undefined payload', act: (client) => client.send('echo', undefined), values: [], error: INVALID },
  {
    name: 'a payload that JSON refuses',
    act: ask('echo', { n: 10n }),
    values: [],
    error: { name: 'TypeError', message: 'Do not know how to serialize a BigInt' },
  },
];

const replies: ConformanceCase[] = [
  { name: 'a promised value', act: ask('async', 'later'), values: ['later'] },
  { name: 'a handler that returns undefined', act: ask('undefined'), values: [] },
  { name: 'a handler that promises undefined', act: ask('async-undefined'), values: [] },
  { name: 'an Observable of several values', act: ask('values', ['a', 'b', 'c']), values: ['a', 'b', 'c'] },
  { name: 'an Observable of one value', act: ask('values', ['only']), values: ['only'] },
  { name: 'an Observable of values that are falsy', act: ask('values', [0, '', false, null]), values: [0, '', false, null] },
  { name: 'an Observable that takes its time', act: ask('slow-values', 5), values: [0, 1, 2, 3, 4] },
  { name: 'an Observable of 2,000 values', act: ask('many', 2_000), values: Array.from({ length: 2_000 }, (_, i) => i) },
  { name: 'a promised Observable', act: ask('promised-values', [1, 2]), values: [1, 2] },
  { name: 'an Observable with values that are undefined', act: ask('holes'), values: [1, undefined, 2, null] },
  { name: 'an Observable that completes later than its last value', act: ask('late-end'), values: ['value'] },
  { name: 'an empty Observable', act: ask('empty'), values: [] },
  { name: 'a promised empty Observable', act: ask('promised-empty'), values: [] },
  {
    name: 'a hundred requests at once, each with its own reply',
    act: (client) => forkJoin(Array.from({ length: 100 }, (_, i) => client.send('async', i))),
    values: [Array.from({ length: 100 }, (_, i) => i)],
  },
  {
    name: 'a subscriber that takes the first value only',
    act: (client) => client.send('slow-values', 100).pipe(take(2)),
    values: [0, 1],
  },
];

const errors: ConformanceCase[] = [
  { name: 'RpcException with a string', act: ask('rpc-string'), values: [], error: { status: 'error', message: 'no such order' } },
  { name: 'RpcException with an object', act: ask('rpc-object'), values: [], error: { code: 17, reason: { field: 'id' } } },
  { name: 'RpcException with an empty string', act: ask('rpc-empty'), values: [], error: { status: 'error', message: '' } },
  { name: 'RpcException of an async handler', act: ask('rpc-async'), values: [], error: { status: 'error', message: 'later' } },
  { name: 'RpcException of an Observable', act: ask('rpc-observable'), values: [], error: { status: 'error', message: 'from the stream' } },
  { name: 'any other error', act: ask('error'), values: [], error: INTERNAL },
  { name: 'any other error of an async handler', act: ask('error-async'), values: [], error: INTERNAL },
  { name: 'a thrown string', act: ask('error-string'), values: [], error: INTERNAL },
  { name: 'a thrown undefined', act: ask('error-undefined'), values: [], error: INTERNAL },
  { name: 'HttpException', act: ask('error-http'), values: [], error: INTERNAL },
  { name: 'values and then an error', act: ask('values-then-error'), values: [1, 2], error: INTERNAL },
  { name: 'values and then RpcException', act: ask('values-then-rpc'), values: [1, 2], error: { after: 2 } },
];

const events: ConformanceCase[] = [
  { name: 'an event', act: tell('event', { n: 1 }), values: [undefined], log: [['event', { n: 1 }]] },
  {
    name: 'an event with an object pattern',
    act: tell({ kind: 'object' }, 'x'),
    values: [undefined],
    log: [['object', 'x', '{"kind":"object"}']],
  },
  {
    name: 'an event with a string that looks like an object pattern',
    act: tell('{"kind":"object"}', 'x'),
    values: [undefined],
    log: [['object', 'x', '{"kind":"object"}']],
  },
  {
    name: 'an event that several handlers have',
    act: tell('shared', 3),
    values: [undefined],
    log: [
      ['first', 3],
      ['second', 3],
      ['third', 3],
    ],
  },
  { name: 'an event whose handler throws', act: tell('sync-failure', 1), values: [undefined], log: [['sync-failure', 1]] },
  { name: 'an event nobody handles', act: tell('unknown'), values: [undefined], log: [] },
  { name: 'an event to a pattern that is a request', act: tell('counted-request', 1), values: [undefined], log: [['counted-request', 1]] },
  {
    name: 'a request to a pattern that is an event',
    act: ask('answering-event', 1),
    values: [{ answered: 1 }],
    log: [['answering-event', 1]],
  },
  { name: 'a null event', act: tell('event', null), values: [], error: INVALID, log: [] },
  { name: 'an undefined event', act: (client) => client.emit('event', undefined), values: [], error: INVALID, log: [] },
  { name: 'an event with a null pattern', act: tell(null, 1), values: [], error: INVALID, log: [] },
  {
    name: 'a request that is subscribed to twice runs twice',
    act: (client) => {
      const request = client.send('counted-request', 1);
      return concat(request, request);
    },
    values: ['counted', 'counted'],
    log: [
      ['counted-request', 1],
      ['counted-request', 1],
    ],
  },
  {
    name: 'a request nobody subscribes to does not run',
    act: (client) => {
      client.send('counted-request', 'cold');
      return client.send('echo', 'done');
    },
    values: ['done'],
    log: [],
  },
  {
    name: 'an event that is subscribed to twice goes once',
    act: (client) => {
      const event = client.emit('event', 'once');
      return concat(event.pipe(take(1), toArray()), client.send('echo', 'done'));
    },
    values: [[undefined], 'done'],
    log: [['event', 'once']],
  },
];

export const conformanceCases: Record<string, ConformanceCase[]> = {
  'patterns of requests': patterns,
  payloads,
  replies,
  'errors of handlers': errors,
  events,
};
