import { setTimeout as sleep } from 'node:timers/promises';
import { type RsmClient, RsmError, RsmRecordBuilder } from 'nestjs-rsm';
import type { Observable } from 'rxjs';
import type { Journal } from './journal.js';
import type { ClientSettings } from './link.js';
import { Bodies, digestOf, randomSize, type Route, ROUTES } from './messages.js';
import { Random } from './random.js';

/** Nothing more is begun while so much has not come to its end: what the soak tests is not the memory of its own promises. */
const MOST_PENDING = 1_500;
const MOST_PENDING_BYTES = 32 * 1024 * 1024;
const MOST_REQUESTS = 64;
const KEYS = ['red', 'green', 'blue', 'white'];

/** What one turn does. */
const TURNS = { burst: 50, awaited: 20, requests: 20, confirmed: 5, broadcast: 4, flood: 1 };

/** Sends events and requests in random turns, and writes down each before it is sent and when it has come to its end. */
export class Traffic {
  /** Number of the event sent last. */
  lastEvent = 0;
  private lastRequest = 0;
  private readonly random: Random;
  private readonly bodies: Bodies;
  private readonly events = new Map<number, number>();
  private readonly requests = new Set<number>();
  private pendingBytes = 0;
  private going = true;
  private loop: Promise<void> = Promise.resolve();
  private connectedSince: number | undefined;

  constructor(
    private readonly client: RsmClient,
    private readonly journal: Journal,
    private readonly given: ClientSettings,
  ) {
    this.random = Random.of(given.seed, given.name);
    this.bodies = new Bodies(new Random(given.seed));
    client.status.subscribe((status) => (this.connectedSince = status === 'connected' ? performance.now() : undefined));
  }

  start(): void {
    this.loop = this.run();
  }

  stop(): void {
    this.going = false;
  }

  /** Sends nothing more; resolves when everything has come to its end. */
  async finish(): Promise<void> {
    this.stop();
    await this.loop;
    while (this.events.size + this.requests.size > 0) await sleep(5);
  }

  pending(): string[] {
    return [...[...this.events.keys()].slice(0, 5).map((n) => `event ${n}`), ...[...this.requests].slice(0, 5).map((n) => `request ${n}`)];
  }

  private async run(): Promise<void> {
    const { random, given } = this;
    while (this.going) {
      if (this.events.size < MOST_PENDING && this.pendingBytes < MOST_PENDING_BYTES) await this.turn();
      await sleep(random.between(0, 2 * given.pace));
    }
  }

  private async turn(): Promise<void> {
    const { random } = this;
    switch (random.weighted(TURNS)) {
      case 'burst':
        for (let i = random.between(1, 20); i > 0; i--) void this.event({});
        break;
      case 'awaited':
        for (let i = random.between(1, 10); i > 0 && this.going; i--) await this.event({});
        break;
      case 'confirmed':
        void this.event({ confirm: true });
        break;
      case 'broadcast':
        void this.event({ broadcast: true });
        break;
      case 'flood':
        for (let i = this.given.floods ? 1_000 : 100; i > 0; i--) void this.event({ small: true });
        break;
      case 'requests':
        for (let i = random.between(1, 6); i > 0 && this.requests.size < MOST_REQUESTS; i--) this.request();
        break;
    }
  }

  /** Resolves when it has come to its end, well or not. */
  private event({ confirm = false, broadcast = false, small = false }): Promise<void> {
    const { random, client, journal } = this;
    const n = ++this.lastEvent;
    const route = random.weighted(ROUTES);
    const size = small ? random.between(1, 64) : randomSize(random);
    const key = !broadcast && random.chance(0.2) ? random.pick(KEYS) : undefined;
    const { data, body, headers } = this.payload(route, n, size);
    let flags = `${confirm ? 'c' : ''}${broadcast ? 'b' : ''}` || '-';
    if (broadcast) {
      const live = [...client.unwrap().connections].filter(({ open, draining }) => open && !draining);
      if (live.length === 0) flags = '-'; // goes to the first that comes
      journal.write('>', n, route, digestOf(body), flags, '-', live.map(({ peer }) => peer.identity).join());
    } else {
      journal.write('>', n, route, digestOf(body), flags, key ?? '-');
    }
    let message: unknown = data;
    if (headers || confirm || broadcast || key !== undefined) {
      const record = new RsmRecordBuilder(data);
      if (headers) record.setHeaders({ s: this.given.name, n });
      if (confirm) record.setConfirm();
      if (broadcast) record.setRouting('broadcast');
      if (key !== undefined) record.setKey(key);
      message = record.build();
    }
    this.events.set(n, size);
    this.pendingBytes += size;
    return this.settled(client.emit(route, message), n);
  }

  private settled(result: Observable<unknown>, n: number): Promise<void> {
    return new Promise((resolve) => {
      const over = (): void => {
        this.pendingBytes -= this.events.get(n) ?? 0;
        this.events.delete(n);
        resolve();
      };
      result.subscribe({
        complete: () => {
          this.journal.write('=', n);
          over();
        },
        error: (error: unknown) => {
          this.journal.write('!', n, ...this.failure(error));
          over();
        },
      });
    });
  }

  private request(): void {
    const { random, client, journal } = this;
    const n = ++this.lastRequest;
    const size = randomSize(random);
    const body = random.chance(0.5) ? this.bodies.text(random, size) : this.bodies.buffer(random, size);
    const digest = digestOf(body);
    const idempotent = random.chance(0.4);
    journal.write('?', n, digest, idempotent ? 'i' : '-');
    this.requests.add(n);
    const record = new RsmRecordBuilder({ s: this.given.name, n, body });
    let replies = 0;
    client.send<{ digest: string; body: unknown }>('ask', (idempotent ? record.setIdempotent() : record).build()).subscribe({
      next: (reply) => {
        replies++;
        journal.write(':', n, replies, digestOf(reply.body) === digest && reply.digest === digest ? 'right' : 'wrong');
      },
      complete: () => {
        journal.write('.', n);
        this.requests.delete(n);
      },
      error: (error: unknown) => {
        journal.write('x', n, ...this.failure(error));
        this.requests.delete(n);
      },
    });
  }

  private payload(route: Route, n: number, size: number): { data: unknown; body: string | Buffer; headers: boolean } {
    const { random, bodies, given } = this;
    if (route === 'raw') {
      const body = bodies.buffer(random, size);
      return { data: body, body, headers: true };
    }
    if (route === 'text') {
      const body = bodies.text(random, size);
      return { data: body, body, headers: true };
    }
    if (route === 'mixed') {
      const body = bodies.buffer(random, size);
      return { data: { s: given.name, n, inner: [{ body }] }, body, headers: false };
    }
    const body = bodies.text(random, size);
    return { data: { s: given.name, n, body }, body, headers: false };
  }

  /** Code, milliseconds for which an instance had been connected without a break (-1: none is), and what was said. */
  private failure(error: unknown): (string | number)[] {
    const { code, message } = error as { code?: unknown; message?: unknown };
    const connected = this.connectedSince === undefined ? -1 : Math.floor(performance.now() - this.connectedSince);
    return [
      typeof code === 'string' ? code : RsmError.is(error) ? error.code : 'none',
      connected,
      String(message).replaceAll('\n', ' ').slice(0, 300),
    ];
  }
}
