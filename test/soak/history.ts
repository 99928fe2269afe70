/** What the journals of a run say, brought together: each event and request with all its deliveries. */
import { type Line } from './journal.js';

export interface RunProcess {
  role: 'server' | 'client';
  name: string;
  ended: 'killed' | 'closed' | 'running';
  /** Microseconds: killed, or told to end. */
  endsAt: number;
  lines: readonly Line[];
  maxAttempts?: number | undefined;
  connectTimeout?: number | undefined;
  /** A client that emits more than it may queue. */
  floods?: boolean;
}

export interface Delivery {
  server: ServerHistory;
  at: number;
  attempt: number;
  route: string;
  digest: string;
  endAt?: number;
  outcome?: 'done' | 'nack';
}

export interface Failure {
  at: number;
  code: string;
  /** Milliseconds for which some instance had been connected without a break. */
  connected: number;
  message: string;
}

export interface Sent {
  client: ClientHistory;
  n: number;
  at: number;
  digest: string;
  deliveries: Delivery[];
  failure?: Failure;
}

export interface SentEvent extends Sent {
  route: string;
  confirm: boolean;
  key: string | undefined;
  /** Of a broadcast: identities of the instances that were live at the call. */
  targets: string[] | undefined;
  committedAt?: number;
  deadLetters: { attempts: number; instance: string; reason: string }[];
}

export interface SentRequest extends Sent {
  idempotent: boolean;
  replies: { at: number; right: boolean }[];
  completedAt?: number;
}

export interface ClientHistory {
  process: RunProcess;
  events: SentEvent[];
  requests: SentRequest[];
  /** Instances it was connected to, and the number of the event emitted last when it heard of their end. */
  connected: Map<string, number>;
  gone: { identity: string; last: number; at: number }[];
  /** It was told to end. */
  closingAt: number;
  counters: Record<string, number>;
}

export interface ServerHistory {
  process: RunProcess;
  identity: string;
  pid: string;
  /** Events as they began, by sender. */
  order: Map<string, { event: SentEvent; delivery: Delivery }[]>;
  counters: Record<string, number>;
}

export interface History {
  /** Looks at sleeping connections, and what they found that nobody had been woken for, for each process. Empty where the addon does not look. */
  wakes: { checks: number; missed: number; process: string }[];
  clients: ClientHistory[];
  servers: ServerHistory[];
  /** What servers say they were given, but nobody says he sent. */
  unknown: string[];
}

export function bringTogether(processes: readonly RunProcess[]): History {
  const clients = processes.filter(({ role }) => role === 'client').map(readClient);
  const byName = new Map(clients.map((client) => [client.process.name, client]));
  const unknown: string[] = [];
  const servers = processes.filter(({ role }) => role === 'server').map((process) => readServer(process, byName, unknown));
  for (const { events, requests } of clients) {
    for (const { deliveries } of [...events, ...requests]) deliveries.sort((a, b) => a.attempt - b.attempt || a.at - b.at);
  }
  const wakes = processes.flatMap(({ name, lines }) => {
    const last = lines.filter(({ kind }) => kind === 'W').at(-1);
    return last === undefined ? [] : [{ process: name, checks: Number(last.words[0]), missed: Number(last.words[1]) }];
  });
  return { clients, servers, unknown, wakes };
}

function readClient(process: RunProcess): ClientHistory {
  const client: ClientHistory = {
    process,
    events: [],
    requests: [],
    connected: new Map(),
    gone: [],
    closingAt: Infinity,
    counters: {},
  };
  for (const { at, kind, words } of process.lines) {
    const n = Number(words[0]);
    const event = client.events[n - 1];
    const request = client.requests[n - 1];
    if (kind === '>') {
      const [, route, digest, flags, key, targets] = words as [string, string, string, string, string, string?];
      client.events.push({
        client,
        n,
        at,
        route,
        digest,
        deliveries: [],
        confirm: flags.includes('c'),
        key: key === '-' ? undefined : key,
        targets: flags.includes('b') ? (targets ?? '').split(',') : undefined,
        deadLetters: [],
      });
    } else if (kind === '=') event!.committedAt = at;
    else if (kind === '!') event!.failure = failureOf(at, words);
    else if (kind === 'L') event!.deadLetters.push({ attempts: Number(words[1]), instance: words[2]!, reason: words.slice(3).join(' ') });
    else if (kind === '?')
      client.requests.push({ client, n, at, digest: words[1]!, idempotent: words[2] === 'i', deliveries: [], replies: [] });
    else if (kind === ':') request!.replies.push({ at, right: words[2] === 'right' });
    else if (kind === '.') request!.completedAt = at;
    else if (kind === 'x') request!.failure = failureOf(at, words);
    else if (kind === 'C') client.connected.set(words[0]!, at);
    else if (kind === 'D') client.gone.push({ identity: words[0]!, last: Number(words[1]), at });
    else if (kind === 'T') client.closingAt = at;
    else if (kind === 'Z') client.counters = JSON.parse(words.join(' ')) as Record<string, number>;
  }
  return client;
}

function failureOf(at: number, [, code, connected, ...message]: string[]): Failure {
  return { at, code: code!, connected: Number(connected), message: message.join(' ') };
}

function readServer(process: RunProcess, clients: ReadonlyMap<string, ClientHistory>, unknown: string[]): ServerHistory {
  const server: ServerHistory = { process, identity: '', pid: '', order: new Map(), counters: {} };
  for (const { at, kind, words } of process.lines) {
    if (kind === 'P') [server.identity, server.pid] = words as [string, string];
    else if (kind === 'Z') server.counters = JSON.parse(words.join(' ')) as Record<string, number>;
    if (!'BERr'.includes(kind)) continue;
    const [sender, number, attempt] = [words[0]!, Number(words[1]), Number(words[2])];
    const client = clients.get(sender);
    const sent: Sent | undefined = kind === 'B' || kind === 'E' ? client?.events[number - 1] : client?.requests[number - 1];
    if (sent === undefined) {
      unknown.push(`${process.name} was given ${kind} ${words.join(' ')}`);
      continue;
    }
    if (kind === 'B' || kind === 'R') {
      const [route, digest] = kind === 'B' ? [words[3]!, words[4]!] : ['ask', words[3]!];
      const delivery: Delivery = { server, at, attempt, route, digest };
      sent.deliveries.push(delivery);
      if (kind === 'B') {
        const order = server.order.get(sender) ?? [];
        order.push({ event: sent as SentEvent, delivery });
        server.order.set(sender, order);
      }
    } else {
      const delivery = sent.deliveries.filter((one) => one.server === server && one.attempt === attempt).pop()!;
      delivery.endAt = at;
      delivery.outcome = kind === 'r' || words[3] === 'done' ? 'done' : 'nack';
    }
  }
  return server;
}

/** The life of one event or request, for whoever has to find out what happened. */
export function tell(sent: Sent): string {
  const event = 'route' in sent ? (sent as SentEvent) : undefined;
  const request = event === undefined ? (sent as SentRequest) : undefined;
  const what =
    event === undefined
      ? `request${request!.idempotent ? ' (idempotent)' : ''}`
      : `event '${event.route}'${event.confirm ? ' (confirm)' : ''}${event.key === undefined ? '' : ` (key ${event.key})`}${event.targets === undefined ? '' : ` (broadcast to ${event.targets.join(', ')})`}`;
  const moments: [number, string][] = [[sent.at, `${what} ${sent.digest} given to ${sent.client.process.name}`]];
  if (event?.committedAt !== undefined) moments.push([event.committedAt, event.confirm ? 'confirmed' : 'committed']);
  if (sent.failure !== undefined) moments.push([sent.failure.at, `failed: ${sent.failure.code} ${sent.failure.message}`]);
  request?.replies.forEach(({ at, right }) => moments.push([at, `${right ? 'right' : 'wrong'} reply`]));
  if (request?.completedAt !== undefined) moments.push([request.completedAt, 'reply completed']);
  const concerned = new Set<ServerHistory>();
  for (const { server, at, endAt, attempt, outcome, digest } of sent.deliveries) {
    concerned.add(server);
    moments.push([at, `begun by ${server.process.name} (${server.identity}), attempt ${attempt}, ${digest}`]);
    if (endAt !== undefined) moments.push([endAt, `${outcome} by ${server.process.name}, attempt ${attempt}`]);
  }
  for (const { process, identity } of concerned) {
    if (process.endsAt < Infinity) moments.push([process.endsAt, `${process.name} (${identity}) ${process.ended}`]);
  }
  const { process, gone } = sent.client;
  if (process.endsAt < Infinity) moments.push([process.endsAt, `${process.name} ${process.ended}`]);
  gone
    .filter(({ at }) => at >= sent.at && at < sent.at + 20_000_000)
    .forEach(({ identity, last, at }) => moments.push([at, `${process.name} lost ${identity} (had sent ${last})`]));
  const lines = moments
    .sort(([a], [b]) => a - b)
    .map(([at, text]) => `    ${((at - sent.at) / 1_000).toFixed(3).padStart(12)} ms  ${text}`);
  for (const { attempts, instance, reason } of event?.deadLetters ?? [])
    lines.push(`    dead letter after ${attempts} attempts (${instance}): ${reason}`);
  return lines.join('\n');
}
