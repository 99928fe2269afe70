/** A service without Nest: a Listener of @nestjs-rsm/segments that does what the test says. */
import { type Connection, Lane, Listener, type ListenerOptions, type MessageBatch, Outcome } from '@nestjs-rsm/segments';
import { expose, onStop, ready } from './fixture/fixture.js';
import { digestOf } from './random-payload.js';
import { residue } from './residue.js';

/** What the test is told of a message. */
export interface Arrived {
  length: number;
  digest: string;
  lane: Lane;
  attempt: number;
}

let listener: Listener | undefined;
let arrived: Arrived[] = [];
/** Deliveries that wait for settle(). */
let held: number[] = [];
let holds = false;
let echoes = false;
let largestBatch = 0;
let messages = 0;
let failures: string[] = [];

function receive(batch: MessageBatch): void {
  largestBatch = Math.max(largestBatch, batch.count);
  for (let i = 0; i < batch.count; i++) {
    const bytes = batch.copy(i);
    arrived.push({ length: bytes.length, digest: digestOf(bytes), lane: batch.lane(i), attempt: batch.attempt(i) });
    if (batch.lane(i) !== Lane.immediate) {
      if (holds) held.push(batch.delivery(i));
      else listener!.settle(batch.delivery(i), Outcome.done);
    }
    if (echoes) echo(batch.connection(i), bytes);
  }
}

/** Answers with the same bytes; every second time they are given as a string, where the test had sent one. */
function echo(connection: Connection, bytes: Buffer): void {
  const payload = messages++ % 2 === 0 ? bytes : bytes.toString();
  connection.write(payload, Lane.events).catch((error: unknown) => failures.push(String(error)));
}

async function close(): Promise<void> {
  await listener?.close();
  listener = undefined;
}

function connection(): Connection {
  const [first] = listener!.connections;
  if (first === undefined) throw new Error('nobody is connected');
  return first;
}

onStop(close);
expose({
  async open(options: ListenerOptions) {
    await close();
    arrived = [];
    held = [];
    failures = [];
    holds = echoes = false;
    largestBatch = messages = 0;
    listener = new Listener(options);
    listener.onMessages = receive;
    await listener.listen();
    return { path: listener.path, instance: listener.instance };
  },
  close,
  /** From now on messages wait for settle(). */
  hold: () => void (holds = true),
  echo: () => void (echoes = true),
  /** Settles the oldest `count` held messages and stops holding where there is no count. */
  settle(outcome: Outcome = Outcome.done, count?: number) {
    if (count === undefined) holds = false;
    held.splice(0, count ?? held.length).forEach((delivery) => listener!.settle(delivery, outcome));
  },
  /** What has come since the last call. */
  arrived: () => arrived.splice(0),
  state: () => ({ arrived: arrived.length, held: held.length, largestBatch, failures, connections: listener?.connections.size ?? 0 }),
  tables: () => ({ segments: listener!.segmentTable(), groups: listener!.segmentGroupTable(), counters: listener!.counters() }),
  directory: (direction: 'in' | 'out', group: number) => listener!.directory(connection(), direction, group),
  peer: () => connection().peer,
  residue,
});
ready();
