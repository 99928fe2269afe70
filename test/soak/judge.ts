/** Holds the history of a run against docs/guarantees.md. */
import type { Violation } from './director.js';
import {
  type ClientHistory,
  type Delivery,
  type History,
  type Sent,
  type SentEvent,
  type SentRequest,
  type ServerHistory,
  tell,
} from './history.js';
import { judgeOrder } from './judge-order.js';

export interface Verdict {
  violations: Violation[];
  events: {
    sent: number;
    /** Emits that ended well. */
    completed: number;
    /** By code. */
    failed: Record<string, number>;
    handled: number;
    lost: number;
    /** Handled more than once, each time but the last by a server that was killed. */
    allowedDuplicates: number;
    otherDuplicates: number;
    /** Begun again: by a server that was killed before it was released, or nacked. */
    begunAgain: number;
    nacked: number;
    broadcasts: number;
    copies: number;
    deadLetters: number;
    /** Committed by a client that was killed, to a server that was killed as well: gone with both. */
    goneWithBothEnds: number;
    /** Nacked, and waiting in their client for another attempt when it was killed. */
    goneBeforeRetry: number;
    /** Emitted, but not known to be committed when their client was killed: handled or not. */
    unsettled: number;
  };
  requests: { sent: number; answered: number; failed: Record<string, number>; unsettled: number; again: number };
  /** Of one sender, at one instance, after an event with a greater number, because another instance had gone. */
  movedBack: number;
  /** Of a build with wake checks. */
  wakes: { checks: number; missed: number };
}

export function judge(history: History): Verdict {
  return new Judge(history).verdict();
}

class Judge {
  private readonly violations: Violation[] = [];
  private readonly result: Verdict = {
    violations: this.violations,
    events: {
      sent: 0,
      completed: 0,
      failed: {},
      handled: 0,
      lost: 0,
      allowedDuplicates: 0,
      otherDuplicates: 0,
      begunAgain: 0,
      nacked: 0,
      broadcasts: 0,
      copies: 0,
      deadLetters: 0,
      goneWithBothEnds: 0,
      goneBeforeRetry: 0,
      unsettled: 0,
    },
    requests: { sent: 0, answered: 0, failed: {}, unsettled: 0, again: 0 },
    movedBack: 0,
    wakes: { checks: 0, missed: 0 },
  };

  constructor(private readonly history: History) {}

  verdict(): Verdict {
    const { history, result, violations } = this;
    history.unknown.forEach((text) => violations.push({ rule: 'torn', text }));
    for (const client of history.clients) {
      client.events.forEach((event) => (event.targets === undefined ? this.event(event) : this.broadcast(event)));
      client.requests.forEach((request) => this.request(request));
    }
    for (const { process, checks, missed } of history.wakes) {
      result.wakes.checks += checks;
      result.wakes.missed += missed;
      if (missed > 0) violations.push({ rule: 'wakes', text: `${process} was not woken for ${missed} messages or releases` });
    }
    const order = judgeOrder(history);
    result.movedBack = order.movedBack;
    violations.push(...order.violations);
    return result;
  }

  private event(event: SentEvent): void {
    const { events } = this.result;
    const { deliveries, client, deadLetters } = event;
    const done = deliveries.filter(({ outcome }) => outcome === 'done');
    const killed = client.process.ended === 'killed';
    this.count(event);
    this.intact(event);
    this.repeated(event, deliveries);
    events.handled += done.length > 0 ? 1 : 0;
    events.deadLetters += deadLetters.length;
    for (const { attempts } of deadLetters) {
      if (attempts < (client.process.maxAttempts ?? 5)) this.against('dead letters', event, `given up after ${attempts} attempts`);
    }
    if (event.failure !== undefined) {
      this.failedEvent(event);
    } else if (event.committedAt !== undefined) {
      if (done.length === 0 && deadLetters.length === 0) {
        if (killed && this.goneWithBoth(event)) events.goneWithBothEnds++;
        else if (killed && deliveries.at(-1)?.outcome === 'nack') events.goneBeforeRetry++;
        else this.lost(event, 'committed, but never handled');
      }
      if (event.confirm && !done.some(({ endAt }) => endAt! <= event.committedAt!))
        this.against('confirm', event, 'confirmed before it was handled');
    } else if (killed) {
      events.unsettled++;
    } else {
      this.lost(event, 'never came to its end');
    }
  }

  private failedEvent(event: SentEvent): void {
    const { failure, deliveries, deadLetters, confirm } = event;
    if (deadLetters.length > 0 && confirm) return;
    if (!this.mayFail(event)) this.against('failures', event, `failed with ${failure!.code}, which is not allowed here`);
    if (deliveries.length > 0) this.against('failures', event, `failed with ${failure!.code}, but was handled`);
  }

  /** UNREACHABLE: nobody had been connected for connectTimeout. BACKPRESSURE: more was emitted than may be queued. */
  private mayFail({ failure, client }: Sent): boolean {
    const { code, connected } = failure!;
    const { connectTimeout = 0, floods = false } = client.process;
    return (code === 'RSM_UNREACHABLE' && connected < connectTimeout) || (code === 'RSM_BACKPRESSURE' && floods);
  }

  private broadcast(event: SentEvent): void {
    const { events } = this.result;
    const { deliveries, client, deadLetters, committedAt, failure } = event;
    this.count(event);
    this.intact(event);
    events.broadcasts++;
    events.deadLetters += deadLetters.length;
    events.handled += deliveries.some(({ outcome }) => outcome === 'done') ? 1 : 0;
    const killed = client.process.ended === 'killed';
    const targets = new Set(event.targets);
    deliveries
      .filter(({ server }) => !targets.has(server.identity))
      .forEach(({ server }) => this.against('broadcast', event, `${server.process.name} got a copy, but was not live at the call`));
    let ended = 0;
    for (const identity of targets) {
      const server = this.history.servers.find((one) => one.identity === identity);
      const copies = deliveries.filter((delivery) => delivery.server === server);
      events.copies += copies.some(({ outcome }) => outcome === 'done') ? 1 : 0;
      for (const copy of copies.slice(0, -1)) {
        if (copy.outcome !== 'nack') this.against('duplicates', event, `${server!.process.name} got its copy twice`);
      }
      const mayBeGone = server === undefined || this.endedBeforeClient(server, client);
      if (mayBeGone) ended++;
      if (copies.some(({ outcome }) => outcome === 'done') || (committedAt === undefined && killed) || failure !== undefined) continue;
      // Copies are not moved: those of an instance that ended are dead letters.
      if (mayBeGone && (killed || deadLetters.some(({ instance }) => instance === identity))) continue;
      if (killed && copies.some(({ outcome }) => outcome === 'nack')) continue;
      this.lost(event, `the copy for ${server?.process.name ?? identity} was not handled, and is no dead letter`);
    }
    if (committedAt === undefined && failure === undefined) {
      if (killed) events.unsettled++;
      else this.lost(event, 'never came to its end');
    }
    if (failure !== undefined && !(this.mayFail(event) || ended > 0)) this.against('failures', event, `failed with ${failure.code}`);
  }

  /** A server that ends in order when its clients have gone finishes what they left. */
  private endedBeforeClient(server: ServerHistory, client: ClientHistory): boolean {
    const { ended, endsAt, lines } = client.process;
    return server.process.ended === 'killed' || server.process.endsAt <= (ended === 'killed' ? endsAt : (lines.at(-1)?.at ?? endsAt));
  }

  private count(event: SentEvent): void {
    const { events } = this.result;
    events.sent++;
    if (event.committedAt !== undefined) events.completed++;
    else if (event.failure !== undefined) increment(events.failed, event.failure.code);
    events.nacked += event.deliveries.filter(({ outcome }) => outcome === 'nack').length;
  }

  /** What arrived is what was sent, to the byte. */
  private intact(sent: Sent): void {
    for (const { digest, server } of sent.deliveries) {
      if (digest !== sent.digest) this.against('torn', sent, `${server.process.name} received ${digest}`);
    }
    for (const { route, server } of 'route' in sent ? sent.deliveries : []) {
      if (route !== (sent as SentEvent).route) this.against('torn', sent, `${server.process.name} received it as '${route}'`);
    }
  }

  /** More deliveries than one: each had an attempt of its own, and each but the last was nacked, or its server was killed. */
  private repeated(sent: Sent, deliveries: readonly Delivery[]): void {
    const { events, requests } = this.result;
    let handled = 0;
    deliveries.forEach((delivery, i) => {
      const { server, attempt, outcome } = delivery;
      const next = deliveries[i + 1];
      if (outcome === 'done') handled++;
      if (next === undefined) return;
      const wasKilled = server.process.ended === 'killed' && server.process.endsAt <= next.at;
      if (outcome === 'nack' || wasKilled) {
        if ('route' in sent) events.begunAgain++;
        else requests.again++;
      } else {
        events.otherDuplicates++;
        this.against(
          'duplicates',
          sent,
          `begun again by ${next.server.process.name}, though ${server.process.name} was not killed before that`,
        );
      }
      if (next.attempt <= attempt) this.against('duplicates', sent, `begun twice with attempt ${attempt}`);
    });
    if (handled > 1 && 'route' in sent) events.allowedDuplicates += handled - 1;
    // Attempts nobody wrote down: begun by a server that was killed before its handler ran.
    const last = deliveries.at(-1);
    if (last !== undefined && last.attempt > deliveries.length) {
      const kills = this.history.servers.filter(
        ({ process }) => process.ended === 'killed' && process.endsAt > sent.at && process.endsAt < last.at,
      ).length;
      if (last.attempt - deliveries.length > kills)
        this.against('attempts', sent, `attempt ${last.attempt} after ${deliveries.length - 1} deliveries and ${kills} kills`);
    }
  }

  /** Whether what a killed client had committed may be gone: the server that had it was killed, or had given it back. */
  private goneWithBoth(event: SentEvent): boolean {
    const { client, at, deliveries } = event;
    const clientEnd = client.process.endsAt;
    const last = deliveries.at(-1);
    if (last !== undefined && (last.outcome === 'nack' || last.server.process.endsAt > clientEnd)) {
      return last.outcome === undefined && last.server.process.ended === 'killed';
    }
    // Those that may have had it: the client may have heard of an end later than it came, or never.
    const ends = this.history.servers.filter(
      ({ process, identity }) =>
        client.connected.has(identity) && (process.endsAt >= at || !client.gone.some((end) => end.identity === identity && end.at < at)),
    );
    // Something came back to the client while it lived, and may have been there, or anywhere, when it was killed.
    if (ends.some(({ process }) => process.endsAt <= clientEnd)) return true;
    return ends.some((server) => {
      const begun = server.order.get(client.process.name) ?? [];
      return (
        server.process.ended === 'killed' &&
        begun.every((one) => one.event.n <= event.n || one.event.route === 'serial' || event.route === 'serial')
      );
    });
  }

  private request(request: SentRequest): void {
    const { requests } = this.result;
    const { deliveries, replies, failure, client, idempotent } = request;
    requests.sent++;
    this.intact(request);
    this.repeated(request, deliveries);
    if (!idempotent && deliveries.length > 1) this.against('requests', request, 'begun twice, but is not idempotent');
    if (request.completedAt !== undefined) {
      requests.answered++;
      if (replies.length !== 1 || !replies[0]!.right) this.against('requests', request, `${replies.length} replies`);
      if (!deliveries.some(({ outcome }) => outcome === 'done')) this.against('requests', request, 'answered by nobody');
    } else if (failure !== undefined) {
      increment(requests.failed, failure.code);
      if (!(this.mayFail(request) || this.mayBeLost(request)))
        this.against('requests', request, `failed with ${failure.code}, which is not allowed here`);
    } else if (client.process.ended === 'killed') {
      requests.unsettled++;
    } else {
      this.lost(request, 'never came to its end');
    }
  }

  /** The server that had begun it was killed; or the client was closed meanwhile. */
  private mayBeLost({ failure, client, idempotent, deliveries }: SentRequest): boolean {
    if (failure!.code !== 'RSM_CONNECTION_LOST') return false;
    if (failure!.at >= client.closingAt) return true;
    const givenUp = deliveries.length >= (client.process.maxAttempts ?? 5);
    const killed = this.history.servers.find(({ process, pid }) => process.ended === 'killed' && failure!.message.includes(pid));
    return killed !== undefined && (!idempotent || givenUp) && deliveries.every(({ server }) => givenUp || server === killed);
  }

  private lost(sent: Sent, what: string): void {
    if ('route' in sent) this.result.events.lost++;
    this.against('lost', sent, what);
  }

  private against(rule: string, sent: Sent, what: string): void {
    const kind = 'route' in sent ? 'event' : 'request';
    this.violations.push({ rule, text: `${kind} ${sent.n} of ${sent.client.process.name}: ${what}\n${tell(sent)}` });
  }
}

function increment(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
