/** Reaches the limits of a process with plain listeners and connectors; what it throws, and what it leaves, is told to the test. */
import { type Connection, Connector, Lane, Listener, RsmError } from '@nestjs-rsm/segments';
import { expose, onStop, ready } from './fixture/fixture.js';
import { residue } from './residue.js';

let listener: Listener | undefined;
let connector: Connector | undefined;

/** What went wrong, as the test can compare it. */
async function failureOf(work: () => unknown): Promise<{ code: string; message: string } | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return { code: RsmError.is(error) ? error.code : `no RsmError: ${String(error)}`, message: (error as Error).message };
  }
}

async function close(): Promise<void> {
  await connector?.close();
  await listener?.close();
  connector = listener = undefined;
}

function connection(): Connection {
  const [first] = connector!.connections;
  if (first === undefined) throw new Error('nobody is connected');
  return first;
}

onStop(close);
expose({
  close,
  listen: (service: string, directory?: string) =>
    failureOf(async () => {
      const made = new Listener({ service, directory });
      try {
        await made.listen();
      } catch (error) {
        await made.close();
        throw error;
      }
      listener = made;
    }),
  connect: (service: string, directory?: string, timeout = 500) =>
    failureOf(async () => {
      connector ??= new Connector({ service, directory });
      await connector.ready(timeout);
    }),
  /** The first message forms the segments. */
  write: (text: string) => failureOf(() => connection().write(text, Lane.events)),
  become: (uid: number) => {
    process.setgroups!([]);
    process.setgid!(uid);
    process.setuid!(uid);
  },
  residue: () => {
    const { regions, descriptors, lowest } = residue();
    return { regions, descriptors, lowest };
  },
});
ready();
