import { expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, type Service, startService } from '../support/index.js';

/** Milliseconds: the client's connectTimeout here is 300, no other timeout of the two processes is longer than 5,000 (handshakes). */
const LONGER_THAN_EVERY_TIMEOUT = 5_500;

interface Stream {
  emitted: number;
  failures: string[];
  oddities: string[];
}

it.each(['the client first', 'the server first'])(
  'both processes stopped at once for longer than every timeout: nobody is declared dead; goes on with %s',
  async (first) => {
    const server = await startService('hostile-target', { execArgv: ['--expose-gc'] });
    const client = await startService('hostile-caller', { execArgv: ['--expose-gc'], options: { connectTimeout: 300 } });
    await client.call('begin');
    await eventually(async () => expect(await client.call('answers')).toBeGreaterThan(50));
    const both: Service[] = [client, server];
    both.forEach((process) => process.signal('SIGSTOP'));
    await sleep(LONGER_THAN_EVERY_TIMEOUT);
    for (const process of first === 'the client first' ? both : both.reverse()) {
      process.signal('SIGCONT');
      await sleep(400); // longer than the client's timeout: the other one is still stopped
    }
    const answered = await client.call<number>('answers');
    await eventually(async () => expect(await client.call('answers')).toBeGreaterThan(answered + 50));
    const stream = await client.call<Stream>('pause');
    expect(stream).toMatchObject({ failures: [], oddities: [] });
    await eventually(async () => expect(await server.call('numbersSoFar')).toEqual({ count: stream.emitted, twice: 0 }));
    expect(await server.call('connections')).toEqual({ now: 1, ever: 1 });
    expect(client.output() + server.output()).toBe('');
  },
);
