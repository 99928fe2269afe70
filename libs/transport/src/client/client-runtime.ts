import { setTimeout as sleep } from 'node:timers/promises';
import type { LoggerService } from '@nestjs/common';
import type { Deserializer } from '@nestjs/microservices';
import { type Connection, type Connector, Lane, type MessageBatch, Outcome, RsmError } from '@nestjs-rsm/segments';
import { createCodec } from '../codec/index.js';
import { corrupt } from '../errors.js';
import { FrameKind, FrameReader, LOAN_ROOM } from '../frame/index.js';
import type { ResolvedClientOptions } from '../options/index.js';
import { PeerLog } from '../peer-log.js';
import type { RsmClientCounters } from './client-counters.js';
import { DeadLetters } from './dead-letters.js';
import { Emitter } from './emitter.js';
import { FailureReporter } from './failure-reporter.js';
import type { Instance } from './instances.js';
import { KeyHomes } from './key-homes.js';
import { Link, type LinkHost } from './link.js';
import { instanceOf } from './outbound.js';
import { OutgoingFrame } from './outgoing-frame.js';
import { PendingRequests } from './pending-requests.js';
import { RouteIds } from './routes.js';
import { RsmLoan } from './rsm-loan.js';

/** Milliseconds between two looks at what is unfinished, while close() waits. */
const CLOSE_INTERVAL = 5;
/** Milliseconds between two looks for an instance that lends memory. */
const INSTANCE_INTERVAL = 5;

export type ClientEventSink = (event: 'connect' | 'disconnect' | 'error' | 'emitError' | 'deadLetter', ...parameters: unknown[]) => void;

/** The parts of an RsmClient, and what it hears of its connections. */
export class ClientRuntime implements LinkHost {
  readonly emitter: Emitter;
  readonly requests: PendingRequests;
  readonly deadLetters: DeadLetters;
  readonly routes = new RouteIds();
  readonly homes = new KeyHomes();
  /** For events and requests. */
  private readonly main: Link;
  /** For requests that would wait behind events; made when the first one would. */
  private bypass: Link | undefined;
  private readonly reporter: FailureReporter;
  private readonly reader = new FrameReader();
  /** What instances do wrong. */
  private readonly peerLog: PeerLog;
  private connected = false;
  /** How often it was closed. */
  private closes = 0;

  /** Throws RSM_UNSUPPORTED_PLATFORM. */
  constructor(
    readonly options: ResolvedClientOptions,
    readonly counters: RsmClientCounters,
    private readonly logger: LoggerService,
    deserializer: Deserializer,
    private readonly tell: ClientEventSink,
    private readonly reportStatus: (connected: boolean) => void,
  ) {
    this.peerLog = new PeerLog(logger);
    const frame = new OutgoingFrame(this.routes, createCodec(options.codec), options.serializer as never);
    this.deadLetters = new DeadLetters(options, this.routes, counters, logger, (letter) => tell('deadLetter', letter));
    this.main = new Link(this, () => this.openBypass().outbound);
    this.requests = new PendingRequests(this.main.outbound, frame, counters, logger, deserializer, options.deserializer !== undefined);
    this.reporter = new FailureReporter(logger, counters, (error, pattern) => tell('emitError', error, pattern));
    this.emitter = new Emitter(this.main.outbound, frame, counters, this.reporter, options.routing);
  }

  get connector(): Connector {
    return this.main.connector;
  }

  connect(): Promise<void> {
    return this.main.outbound.waiting.connect();
  }

  /** Memory of an instance that is due, to be filled in place. */
  async loan(size: number): Promise<RsmLoan> {
    const { instances, waiting } = this.main.outbound;
    const deadline = performance.now() + this.options.connectTimeout;
    const { closes } = this;
    for (;;) {
      this.main.outbound.checkOpen();
      if (closes !== this.closes) {
        // To go on would connect the client again.
        throw new RsmError('RSM_CONNECTION_LOST', `The client of service '${this.options.service}' was closed. Ask for the loan anew.`);
      }
      const instance = instances.pick(undefined);
      if (instance === undefined) {
        await waiting.connect();
        if (performance.now() > deadline) {
          throw waiting.unreachableError();
        }
        await sleep(INSTANCE_INTERVAL); // one that is connected may be draining
        continue;
      }
      try {
        return new RsmLoan(await instance.connection.loan(size + LOAN_ROOM));
      } catch (error) {
        if (!RsmError.is(error) || error.code !== 'RSM_CONNECTION_LOST') {
          throw error;
        }
        instances.refresh();
      }
    }
  }

  async close(): Promise<void> {
    const { closeTimeout, service } = this.options;
    this.closes++;
    const deadline = performance.now() + closeTimeout;
    this.links().forEach((link) => (link.outbound.closing = true));
    while (this.unfinished() > 0 && performance.now() < deadline) {
      await sleep(CLOSE_INTERVAL);
    }
    const links = this.links();
    const messages = this.unfinished();
    const error = new RsmError(
      'RSM_CONNECTION_LOST',
      `The client of service '${service}' was closed before this was finished (closeTimeout: ${closeTimeout} ms).`,
    );
    links.forEach((link) => link.abandon(error));
    // Their messages may be in flight, where nothing more is heard of them.
    [...this.reporter.unconfirmed].forEach((result) => result.failed(error));
    const requests = this.requests.failAll(error);
    this.counters.abandonedMessages += messages;
    if (messages > 0 || requests > 0) {
      this.logger.warn(
        `close(): ${messages} messages were unfinished after at most ${closeTimeout} ms (closeTimeout), and ${requests} requests had no reply, or not all of it.`,
      );
    }
    await Promise.all(links.map((link) => link.end()));
    this.peerLog.flush();
    this.updateStatus();
  }

  received(link: Link, batch: MessageBatch): void {
    const { reader } = this;
    for (let i = 0; i < batch.count; i++) {
      const instance = instanceOf(batch.connection(i));
      try {
        if (batch.lane(i) !== Lane.immediate) {
          link.connector.settle(batch.delivery(i), Outcome.failed);
          throw corrupt(`a message on lane ${batch.lane(i)}, which servers do not use`);
        }
        if (instance.broken) {
          continue;
        }
        const buffer = batch.buffer(i);
        reader.read(buffer, batch.offset(i), batch.length(i));
        if (reader.kind !== FrameKind.reply) {
          throw corrupt(`a frame of kind ${reader.kind}, which servers do not send`);
        }
        this.requests.reply(instance, reader, buffer, batch.owned(i));
      } catch (error) {
        this.refuse(instance, error);
      }
    }
  }

  opened(link: Link, connection: Connection): void {
    this.counters.connections++;
    if (link === this.main) {
      this.updateStatus();
      this.tell('connect', connection);
    }
  }

  hungUp(): void {
    this.updateStatus();
  }

  closed(link: Link, connection: Connection, error: RsmError | undefined): void {
    // The native code or the instance has ended it for a reason; one that merely hung up is no news.
    if (error !== undefined && error.code !== 'RSM_CONNECTION_LOST') {
      if (error.code === 'RSM_CORRUPT_SEGMENT' || error.code === 'RSM_PROTOCOL_MISMATCH') {
        this.counters.brokenConnections++;
      }
      this.peerLog.report(error.message, connection.peer.identity);
      this.tell('error', error);
    }
    if (link === this.main) {
      this.updateStatus();
      this.tell('disconnect', connection, error);
    }
  }

  refused(error: RsmError): void {
    // An instance that went away meanwhile, or that nobody answers for, is no news either.
    if (error.code !== 'RSM_CONNECTION_LOST' && error.code !== 'RSM_UNREACHABLE') {
      this.peerLog.report(error.message);
    }
    this.tell('error', error);
  }

  loanLost({ peer }: Connection): void {
    this.counters.lostLoans++;
    this.logger.warn(
      `A loan of memory of instance ${peer.identity} was collected as garbage, and is given back: send each loan, or call its giveBack().`,
    );
  }

  private refuse(instance: Instance, error: unknown): void {
    if (!instance.broken) {
      const { pid, identity } = instance.connection.peer;
      instance.broken = true;
      this.counters.brokenConnections++;
      const reason = error instanceof Error ? error.message : String(error);
      this.peerLog.report(`The connection to instance ${identity} (process ${pid}) is ended: ${reason}`, identity);
      instance.connection.close();
      this.tell('error', error);
    }
  }

  private openBypass(): Link {
    return (this.bypass ??= new Link(this, undefined, (messages) => this.main.outbound.queueBehind(messages)));
  }

  private links(): Link[] {
    return this.bypass === undefined ? [this.main] : [this.main, this.bypass];
  }

  private unfinished(): number {
    return this.links().reduce((count, link) => count + link.unfinished(), 0);
  }

  private updateStatus(): void {
    const { connected } = this.main;
    if (connected !== this.connected) {
      this.connected = connected;
      this.reportStatus(connected);
    }
  }
}
