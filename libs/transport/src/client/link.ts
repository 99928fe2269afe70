import { type Connection, Connector, type MessageBatch, type RsmError } from '@nestjs-rsm/segments';
import { OWN_FROM } from '../constants.js';
import type { ResolvedClientOptions } from '../options/index.js';
import type { RsmClientCounters } from './client-counters.js';
import type { DeadLetters } from './dead-letters.js';
import type { HeldMessage } from './held-message.js';
import { Instance } from './instances.js';
import type { KeyHomes } from './key-homes.js';
import { instanceOf, Outbound } from './outbound.js';
import type { PendingRequests } from './pending-requests.js';
import { Redelivery } from './redelivery.js';
import type { RouteIds } from './routes.js';

/** What a link shares with its client. */
export interface LinkHost {
  readonly options: ResolvedClientOptions;
  readonly routes: RouteIds;
  readonly homes: KeyHomes;
  readonly counters: RsmClientCounters;
  readonly deadLetters: DeadLetters;
  readonly requests: PendingRequests;
  received(link: Link, batch: MessageBatch): void;
  opened(link: Link, connection: Connection): void;
  hungUp(link: Link): void;
  closed(link: Link, connection: Connection, error: RsmError | undefined): void;
  refused(error: RsmError): void;
  loanLost(connection: Connection): void;
}

/** One connector of a client, and what is on its way over it. */
export class Link {
  readonly connector: Connector;
  readonly outbound: Outbound;
  readonly redelivery: Redelivery;
  /** close() ends the connections: nothing is sent again. */
  private ending = false;

  /** `bypass`, `handOver`: see Outbound. Throws RSM_UNSUPPORTED_PLATFORM. */
  constructor(
    private readonly host: LinkHost,
    bypass: (() => Outbound) | undefined,
    handOver?: (messages: HeldMessage[]) => void,
  ) {
    const { options, routes, homes, counters, deadLetters } = host;
    const { service, directory, segments, maxMessageSize, polling, maxQueuedBytes, maxQueuedMessages, connectTimeout, retryAttempts } =
      options;
    this.connector = new Connector({
      service,
      directory,
      segments,
      maxMessageSize,
      polling,
      maxQueuedBytes,
      maxQueuedMessages,
      connectTimeout,
      retryAttempts,
      ownFrom: OWN_FROM,
    });
    this.outbound = new Outbound(
      this.connector,
      routes,
      homes,
      options,
      (message, error, instance) => this.redelivery.giveUp(message, error, instance),
      bypass,
      handOver,
    );
    this.redelivery = new Redelivery(this.outbound, () => host.requests, deadLetters, options, counters, this.connector.budget);
    this.listen();
  }

  get connected(): boolean {
    for (const instance of this.outbound.instances.every()) {
      if (instance.connection.open) {
        return true;
      }
    }
    return false;
  }

  /** Messages not yet committed, or not yet released. */
  unfinished(): number {
    let count = this.outbound.waiting.queue.length + this.redelivery.waiting;
    for (const instance of this.outbound.instances.every()) {
      const { connection, backlog, returned, taken } = instance;
      count += backlog.length + returned.length + taken.length + connection.queuedMessages + connection.inFlight;
    }
    return count;
  }

  /** Fails what waits, and sends nothing again until `end` is done. */
  abandon(error: RsmError): void {
    this.ending = true;
    const { waiting, instances } = this.outbound;
    waiting.takeAll().forEach((message) => message.watcher?.failed(error));
    this.redelivery.abandon(error);
    for (const instance of instances.every()) {
      clearTimeout(instance.handBackTimer);
      instance.handBackTimer = undefined;
      const held = [...instance.returned.map(({ message }) => message), ...instance.taken, ...instance.backlog.takeAll()];
      instance.returned = [];
      instance.taken = [];
      [...held, ...instance.connection.takeQueued()].forEach((message) => message.watcher?.failed?.(error));
    }
  }

  async end(): Promise<void> {
    await this.connector.close();
    this.outbound.instances.clear();
    this.ending = false;
    this.outbound.closing = false;
  }

  private listen(): void {
    const { connector, redelivery, outbound, host } = this;
    connector.onMessages = (batch) => host.received(this, batch);
    connector.onReturned = (message) => redelivery.returned(message);
    connector.on('connection', (connection: Connection) => {
      const instance = new Instance(connection, connector.budget, outbound);
      connection.data = instance;
      outbound.instances.add(instance);
      outbound.resend(outbound.waiting.takeAll());
      host.opened(this, connection);
    });
    connector.on('draining', (connection: Connection) => {
      outbound.instances.refresh();
      redelivery.draining(instanceOf(connection));
    });
    connector.on('hangup', (connection: Connection) => {
      outbound.instances.refresh();
      redelivery.hungUp(instanceOf(connection));
      host.hungUp(this);
    });
    connector.on('closed', (connection: Connection, error: RsmError | undefined) => {
      const instance = instanceOf(connection);
      outbound.instances.remove(instance);
      if (!this.ending) {
        redelivery.lost(instance);
        host.requests.failLost(instance);
      }
      host.closed(this, connection, error);
    });
    connector.on('loanLost', (connection: Connection) => host.loanLost(connection));
    connector.on('refused', (error: RsmError) => host.refused(error));
  }
}
