import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RsmClient, RsmRecordBuilder } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { closeAfterwards, eventually, newServiceDirectory, observe, type Service, startService } from '../support/index.js';

let service: Service;
let client: RsmClient;

const send = (pattern: unknown, data: unknown = {}): Promise<any> => lastValueFrom(client.send(pattern, data));
const confirm = (pattern: string, data: unknown): Promise<unknown> =>
  lastValueFrom(client.emit(pattern, new RsmRecordBuilder(data).setConfirm().build()));

async function begin(options: object): Promise<void> {
  service = await startService('pipeline', { options, directory: newServiceDirectory() });
  client = closeAfterwards(new RsmClient({ service: 'pipeline', directory: service.directory }));
}

describe('a hybrid app with inheritAppConfig', () => {
  beforeAll(() => begin({ inheritAppConfig: true }));
  beforeEach(() => service.call('clear'));

  it('answers over HTTP and over rsm, with its global guards and interceptors in both', async () => {
    const response = await fetch(`http://127.0.0.1:${service.info.port}/health`);
    expect(await response.json()).toEqual({ global: { up: true } });
    expect(await send('plain', 1)).toEqual({ global: 1 });
    expect(await service.call('log')).toEqual(['global guard http', 'global guard rpc']);
  });
});

describe('a hybrid app without inheritAppConfig', () => {
  beforeAll(() => begin({ inheritAppConfig: false }));
  beforeEach(() => service.call('clear'));

  it('keeps its global guards and interceptors to HTTP', async () => {
    const response = await fetch(`http://127.0.0.1:${service.info.port}/health`);
    expect(await response.json()).toEqual({ global: { up: true } });
    expect(await send('plain', 1)).toBe(1);
    expect(await service.call('log')).toEqual(['global guard http']);
  });

  it('runs guards, which see the RsmContext; a refusal is an error of Nest', async () => {
    expect(await send('guarded')).toBe('let in');
    const { error } = await observe(client.send('guarded', { banned: true }));
    expect(error).toEqual({ status: 'error', message: 'Forbidden resource' });
    expect(await service.call('log')).toEqual(['guard rpc true guarded', 'guard rpc true guarded']);
  });

  it('runs pipes, on the whole payload and for a property of it', async () => {
    expect(await send('piped', { n: 4 })).toEqual({ n: 8 });
    const { error } = await observe(client.send('piped', { n: 'four' }));
    expect(error).toEqual({ field: 'n', expected: 'number' });
    expect(await send('piped-property', { n: 5, more: true })).toBe(5);
  });

  it('runs interceptors around values and errors', async () => {
    expect(await send('intercepted', [1])).toEqual({ wrapped: [1] });
    const { error } = await observe(client.send('intercepted-failure', {}));
    expect(error).toEqual({ status: 'error', message: 'intercepted failure' });
    expect(await service.call('log')).toEqual(['before intercepted', 'before interceptedFailure']);
  });

  it('runs exception filters', async () => {
    const { error } = await observe(client.send('filtered', {}));
    expect(error).toEqual({ filtered: 'no more of it', pattern: 'filtered' });
    const unfiltered = await observe(client.send('unfiltered', {}));
    expect(unfiltered.error).toEqual({ status: 'error', message: 'Internal server error' });
  });

  it('runs guards and interceptors for events', async () => {
    await confirm('guarded-event', { name: 'welcome' });
    await observe(client.emit('guarded-event', new RsmRecordBuilder({ name: 'refused', banned: true }).setConfirm().build()));
    expect(await service.call('log')).toEqual([
      'guard rpc true guardedEvent',
      'before guardedEvent',
      'event welcome',
      'guard rpc true guardedEvent',
    ]);
  });

  it('makes a request-scoped provider for each message, which can have the message injected', async () => {
    const first = await send({ cmd: 'scoped' }, { id: 1 });
    const second = await send({ cmd: 'scoped' }, { id: 2 });
    expect(second.number).toBe(first.number + 1);
    expect(second).toMatchObject({ data: { id: 2 }, pattern: { cmd: 'scoped' }, isRsm: true });
    await confirm('scoped-event', { id: 3 });
    expect((await service.call('log')).map((line: string) => JSON.parse(line))).toEqual([
      { number: first.number + 2, data: { id: 3 }, pattern: 'scoped-event', isRsm: true },
    ]);
  });

  it('gives the handler the headers of the record', async () => {
    const headers = { trace: 'abc', tenant: 7, nested: { list: [1, null] }, größe: '✈' };
    const record = new RsmRecordBuilder({}).setHeaders(headers).build();
    expect(await send('context', record)).toMatchObject({ pattern: 'context', headers, attempt: 1 });
    expect(await send('context')).toMatchObject({ headers: {} });
    expect(await send('frozen', record)).toBe(true);
    expect(await send('frozen')).toBe(true);
    await confirm('context-event', 1);
    await lastValueFrom(client.emit('context-event', new RsmRecordBuilder(1).setHeaders(headers).setConfirm().build()));
    expect((await service.call('log')).map((line: string) => JSON.parse(line))).toEqual([
      { headers: {}, attempt: 1 },
      { headers, attempt: 1 },
    ]);
  });

  it('gives the handler the metadata of the dispatch hook', async () => {
    const traced = closeAfterwards(new RsmClient({ service: 'pipeline', directory: service.directory }));
    const packets: unknown[] = [];
    traced.setOnDispatchHook((packet) => {
      packets.push({ pattern: packet.pattern, data: packet.data });
      packet.metadata = { traceparent: '00-abc' };
    });
    expect(await lastValueFrom(traced.send('context', { id: 1 }))).toMatchObject({ headers: {}, metadata: { traceparent: '00-abc' } });
    await lastValueFrom(traced.emit('context-event', { id: 2 }));
    await eventually(async () =>
      expect(await service.call('log')).toEqual(['{"headers":{},"metadata":{"traceparent":"00-abc"},"attempt":1}']),
    );
    expect(packets).toEqual([
      { pattern: 'context', data: { id: 1 } },
      { pattern: 'context-event', data: { id: 2 } },
    ]);
    expect((await send('context')).metadata).toBeUndefined();
  });

  it('tells a request that acknowledges what acknowledging is for', async () => {
    expect(await send('ack-in-request')).toMatch(/RsmContext\.ack\(\) on 'ack-in-request': it is a request\. .*ack: 'manual'/);
  });
});
