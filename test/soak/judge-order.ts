/** Order for each sender and instance, and keys, as docs/guarantees.md says. */
import type { Violation } from './director.js';
import { type ClientHistory, type Delivery, type History, type SentEvent, type ServerHistory, tell } from './history.js';

type Gone = ClientHistory['gone'][number];
type Begun = readonly { event: SentEvent; delivery: Delivery }[];

export function judgeOrder(history: History): { violations: Violation[]; movedBack: number } {
  const violations: Violation[] = [];
  let movedBack = 0;
  const against = (rule: string, event: SentEvent, server: ServerHistory, what: string): void => {
    violations.push({ rule, text: `event ${event.n} of ${event.client.process.name} at ${server.process.name}: ${what}\n${tell(event)}` });
  };
  for (const server of history.servers) {
    for (const begun of server.order.values()) {
      // A handler with a limit of its own lets others pass.
      for (const lane of [begun.filter(({ event }) => event.route !== 'serial'), begun.filter(({ event }) => event.route === 'serial')]) {
        movedBack += inOrder(history, server, lane, against);
        inOrderOfBefore(server, lane, against);
      }
    }
  }
  history.clients.forEach((client) => keysStay(client, against));
  return { violations, movedBack };
}

type Against = (rule: string, event: SentEvent, server: ServerHistory, what: string) => void;

/**
 * An event may begin after one with a greater number only where it had been with another instance, and only after those that its client had sent before it knew
 * that this instance had gone.
 */
function inOrder(history: History, server: ServerHistory, begun: Begun, against: Against): number {
  let greatest: SentEvent | undefined;
  let movedBack = 0;
  const moved = new Map<string, { event: SentEvent; from: ReadonlySet<Gone> }>();
  for (const { event, delivery } of begun) {
    if (greatest === undefined || event.n > greatest.n) {
      greatest = event;
    } else if (event.n < greatest.n && !wasNacked(event, delivery)) {
      movedBack++;
      if (!cameBack(history, server, event, greatest.n)) {
        against('order', event, server, `begun after event ${greatest.n}:\n${tell(greatest)}\n  and it`);
      }
      // What came back from one instance is sent on together, in order; those with a key go where their key goes.
      const from = sources(server, event, delivery);
      const before = moved.get(event.key ?? '');
      if (before !== undefined && before.event.n > event.n && new Set([...before.from, ...from]).size === 1) {
        against(
          'order',
          event,
          server,
          `both came back from ${[...from][0]!.identity}, but event ${before.event.n} was before it:\n${tell(before.event)}\n  and it`,
        );
      }
      moved.set(event.key ?? '', { event, from });
    }
  }
  return movedBack;
}

function wasNacked(event: SentEvent, delivery: Delivery): boolean {
  return event.deliveries.some(({ outcome, attempt }) => outcome === 'nack' && attempt < delivery.attempt);
}

/** Microseconds by which a client may write down an end after it has sent on what came back; more only hides something. */
const SLACK = 2_000_000;

/** The instances it may have come back from. */
function sources(server: ServerHistory, { client, at }: SentEvent, delivery: Delivery): ReadonlySet<Gone> {
  return new Set(client.gone.filter((gone) => gone.identity !== server.identity && gone.at >= at && gone.at <= delivery.at + SLACK));
}

/** The client lost another instance after it had sent `greatest`, and had sent the event before. */
function cameBack(history: History, server: ServerHistory, event: SentEvent, greatest: number): boolean {
  const { gone, connected, process } = event.client;
  if (gone.some(({ identity, last, at }) => identity !== server.identity && last >= greatest && at >= event.at)) return true;
  // One that was killed may have heard of an end without having written it down.
  return (
    process.ended === 'killed' &&
    history.servers.some(
      (other) =>
        other !== server &&
        connected.has(other.identity) &&
        other.process.endsAt <= process.endsAt &&
        !gone.some(({ identity }) => identity === other.identity),
    )
  );
}

/** Events that had begun at one instance that was killed, and then begin here, do so in the same order. */
function inOrderOfBefore(server: ServerHistory, begun: Begun, against: Against): void {
  const last = new Map<string, { event: SentEvent; at: number }>();
  for (const { event, delivery } of begun) {
    const before = event.deliveries[event.deliveries.indexOf(delivery) - 1];
    if (before === undefined || before.outcome === 'nack' || before.attempt !== delivery.attempt - 1 || event.targets !== undefined)
      continue;
    const from = `${before.server.identity} ${event.key ?? ''}`;
    const previous = last.get(from);
    if (previous !== undefined && previous.at > before.at) {
      against(
        'order',
        event,
        server,
        `began before event ${previous.event.n} at ${before.server.process.name}, and after it here:\n${tell(previous.event)}\n  and it`,
      );
    }
    last.set(from, { event, at: before.at });
  }
}

/** Events with one key go to one instance while that lives. */
function keysStay(client: ClientHistory, against: Against): void {
  const keys = new Map<string, { event: SentEvent; delivery: Delivery }[]>();
  for (const event of client.events) {
    if (event.key === undefined) continue;
    const list = keys.get(event.key) ?? [];
    event.deliveries.forEach((delivery) => list.push({ event, delivery }));
    keys.set(event.key, list);
  }
  for (const list of keys.values()) {
    const homes = new Set<ServerHistory>();
    for (const { event, delivery } of list.sort((a, b) => a.delivery.at - b.delivery.at)) {
      for (const home of homes) {
        if (home === delivery.server) continue;
        if (home.process.endsAt > delivery.at) against('keys', event, delivery.server, `its key was at ${home.process.name}, which lives`);
        else homes.delete(home);
      }
      homes.add(delivery.server);
    }
  }
}
