import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type ClientProxy, ClientProxyFactory, Transport } from '@nestjs/microservices';
import { RsmClient } from 'nestjs-rsm';
import { closeAfterwards, eventually, observe, type Service, startService } from '../support/index.js';
import { type ConformanceCase, conformanceCases } from './cases.js';

/** What a user sees, without what belongs to a transport (error classes, ids). */
interface Outcome {
  values: unknown[];
  end: string;
  error: unknown;
  log: unknown[];
}

const transports: { name: string; service: Service; client: ClientProxy }[] = [];

beforeAll(async () => {
  const tcp = await startService('conformance', { options: { transport: 'tcp' } });
  const rsm = await startService('conformance');
  const tcpOptions = { transport: Transport.TCP as const, options: { host: '127.0.0.1', port: tcp.info.port } };
  transports.push({ name: 'TCP', service: tcp, client: closeAfterwards(ClientProxyFactory.create(tcpOptions)) });
  const rsmClient = new RsmClient({ service: 'conformance', directory: rsm.directory });
  transports.push({ name: 'rsm', service: rsm, client: closeAfterwards(rsmClient) });
});

afterEach(() => Promise.all(transports.map(({ service }) => service.call('clear'))));

async function outcomeOf({ act, log: expected = [] }: ConformanceCase, client: ClientProxy, service: Service): Promise<Outcome> {
  const { values, end, error } = await observe(act(client));
  await eventually(async () => {
    const noted: unknown[] = await service.call('log');
    expect(noted.length).toBeGreaterThanOrEqual(expected.length);
  });
  // A request after the events: whatever they had to bring about is there.
  await observe(client.send('echo', 0));
  return { values, end, error: plain(error), log: sorted(await service.call('log')) };
}

function plain(error: unknown): unknown {
  return error instanceof Error ? { name: error.name, message: error.message } : error;
}

function sorted(log: unknown[]): unknown[] {
  return [...log].sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
}

describe.each(Object.entries(conformanceCases))('rsm does as TCP does: %s', (_subject, cases) => {
  it.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    const [tcp, rsm] = await Promise.all(transports.map(({ client, service }) => outcomeOf(one, client, service)));
    expect(rsm).toEqual(tcp);
    // Equal outcomes prove nothing where both are wrong.
    expect(rsm).toEqual({
      values: one.values,
      end: 'error' in one ? 'error' : 'complete',
      error: one.error,
      log: sorted(one.log ?? []),
    });
  });
});
