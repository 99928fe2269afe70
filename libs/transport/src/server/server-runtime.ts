import type { LoggerService } from '@nestjs/common';
import type { Deserializer, Serializer } from '@nestjs/microservices';
import type { Listener, Outcome } from '@nestjs-rsm/segments';
import type { Codec } from '../codec/index.js';
import { FrameWriter } from '../frame/index.js';
import type { RsmContext } from '../context/index.js';
import { PeerLog } from '../peer-log.js';
import type { HandlerRegistry } from './handler-registry.js';
import type { RsmServerCounters } from './server-counters.js';

/** Nest's processing hooks, where the installed Nest has them and somebody set them. */
export interface ProcessingHooks {
  readonly startHookSet: boolean;
  /** Calls the start hook, which calls `done` (now, later, or never). */
  start(context: RsmContext, done: () => Promise<unknown>): unknown;
  end(context: RsmContext): void;
}

/** What one run of an RsmServer, from listen() to close(), shares among its parts. */
export class ServerRuntime {
  /** Nothing new is begun; the unstarted goes back. */
  draining = false;
  /** The listener is being closed: its deliveries mean nothing any more. */
  closed = false;
  readonly writer: FrameWriter;
  /** What clients do wrong. */
  readonly peerLog: PeerLog;
  /** Nacks that wait for the delay their handler asked for; each function ends the waiting. */
  readonly delayed = new Set<() => void>();
  private running = 0;
  private idleWaiters: (() => void)[] = [];

  constructor(
    readonly listener: Listener,
    readonly registry: HandlerRegistry,
    readonly codec: Codec,
    readonly logger: LoggerService,
    readonly counters: RsmServerCounters,
    readonly hooks: ProcessingHooks,
    /** Nest's default one unless the user gave another. */
    readonly deserializer: Deserializer,
    readonly customDeserializer: boolean,
    /** Undefined: replies take the direct way. */
    readonly serializer: Serializer | undefined,
  ) {
    this.writer = new FrameWriter(listener.header);
    this.peerLog = new PeerLog(logger);
  }

  /** A message begins to run or to wait for its handler. */
  enter(): void {
    this.running++;
  }

  leave(): void {
    if (--this.running === 0 && this.idleWaiters.length > 0) {
      const waiters = this.idleWaiters;
      this.idleWaiters = [];
      waiters.forEach((wake) => wake());
    }
  }

  /** Messages that run or wait for their handlers. */
  get active(): number {
    return this.running;
  }

  /** Resolves when nothing runs. */
  idle(): Promise<void> {
    return this.running === 0 ? Promise.resolve() : new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  settle(delivery: number, outcome: Outcome): void {
    if (!this.closed) {
      this.listener.settle(delivery, outcome);
    }
  }

  release(delivery: number, outcome: Outcome): void {
    if (!this.closed) {
      this.listener.release(delivery, outcome);
    }
  }

  finish(delivery: number): void {
    if (!this.closed) {
      this.listener.finish(delivery);
    }
  }

  start(delivery: number): void {
    if (!this.closed) {
      this.listener.start(delivery);
    }
  }

  unstart(delivery: number): void {
    if (!this.closed) {
      this.listener.unstart(delivery);
    }
  }
}
