/** A client of the service `jobs` in a process of its own, so that it can be stopped with a signal. */
import { RsmClient } from 'nestjs-rsm';
import { expose, fixtureOptions, onStop, ready } from './fixture/fixture.js';

const client = new RsmClient({ service: 'jobs', ...fixtureOptions<{ client: object }>().client });

interface Stream {
  values: number[];
  end: 'complete' | 'error' | undefined;
  error?: unknown;
}
const streams: Stream[] = [];

onStop(() => client.close());
expose({
  connect: () => client.connect(),
  /** Starts to read a reply of many values; streams() tells what has come. */
  stream(count: number, bytes: number) {
    const stream: Stream = { values: [], end: undefined };
    streams.push(stream);
    client.send<{ i: number }>('stream', { count, bytes }).subscribe({
      next: ({ i }) => stream.values.push(i),
      error: (error: { code?: unknown; message?: unknown }) => {
        stream.end = 'error';
        stream.error = { code: error.code, message: error.message };
      },
      complete: () => (stream.end = 'complete'),
    });
  },
  streams: () => streams,
});
ready();
