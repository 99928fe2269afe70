/** A well-behaved client of the service 'hostile', some of whose instances are not: it emits numbers and asks without pause. Run with --expose-gc. */
import { inspect, isDeepStrictEqual } from 'node:util';
import { RsmClient, type RsmClientOptions, RsmRecordBuilder } from 'nestjs-rsm';
import { firstValueFrom, type Observable } from 'rxjs';
import { expose, fixtureOptions, onStop, ready } from './fixture/fixture.js';
import { residue } from './residue.js';

/** ms between two emits; each is followed by requests. */
const PACE = 4;

const client = new RsmClient({ service: 'hostile', ...fixtureOptions<Partial<RsmClientOptions>>() });
let emitted = 0;
let answers = 0;
let failures: string[] = [];
/** Answers that are not what was asked for: only a hostile instance gives them. */
let oddities: string[] = [];
let timer: NodeJS.Timeout | undefined;
const open = new Set<Promise<void>>();

function track(work: Promise<unknown>): void {
  const tracked: Promise<void> = work
    .then(
      () => undefined,
      (error: unknown) => void failures.push(String(error)),
    )
    .finally(() => open.delete(tracked));
  open.add(tracked);
}

/** Three messages, so that two instances which take turns both get events and requests. */
function step(): void {
  const number = emitted++;
  track(firstValueFrom(client.emit('number', number)));
  track(ask({ number }));
  track(ask({ number, again: true }));
}

function differing(what: 'patterns' | 'keys' | 'headers', name: string): Observable<unknown> {
  if (what === 'patterns') return client.emit(name, 1);
  const record = new RsmRecordBuilder(1);
  return client.emit('event', (what === 'keys' ? record.setKey(name) : record.setHeaders({ [name]: name })).build());
}

async function ask(question: { number: number; again?: boolean }): Promise<void> {
  const answer = await firstValueFrom(client.send<unknown>('echo', question));
  answers++;
  if (!isDeepStrictEqual(answer, question)) oddities.push(inspect(answer, { depth: 1 }).slice(0, 200));
}

onStop(async () => {
  clearInterval(timer);
  await client.close();
});
expose({
  begin: () => void (timer ??= setInterval(step, PACE)),
  /** Ends the stream; resolves when all of it is committed and answered, with what was emitted since the last call and what went wrong. */
  async pause() {
    clearInterval(timer);
    timer = undefined;
    while (open.size > 0) await Promise.all(open);
    const result = { emitted, answers, failures, oddities };
    [emitted, answers, failures, oddities] = [0, 0, [], []];
    return result;
  },
  answers: () => answers,
  /** `count` events that all differ in their pattern, key or headers. */
  async flood(what: 'patterns' | 'keys' | 'headers', from: number, count: number) {
    for (let i = from; i < from + count; i += 1000) {
      const emits = Array.from({ length: 1000 }, (_, k) => firstValueFrom(differing(what, `${i + k}${'x'.repeat(100)}`)));
      await Promise.all(emits);
    }
  },
  connections: () => client.unwrap().connections.size,
  counters: () => ({ ...client.counters }),
  residue: () => {
    const { regions, descriptors } = residue();
    return { regions, sockets: descriptors['socket'], pipes: descriptors['pipe'], memfds: descriptors['/memfd:nestjs-rsm (deleted)'] ?? 0 };
  },
  resident: () => {
    for (let i = 0; i < 3; i++) (globalThis as { gc?: () => void }).gc!();
    return process.memoryUsage.rss();
  },
  polluted: () => (({}) as Record<string, unknown>)['polluted'] ?? null,
});
await client.connect();
ready();
