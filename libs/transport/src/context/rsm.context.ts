import { BaseRpcContext } from '@nestjs/microservices';
import { Outcome, RsmError } from '@nestjs-rsm/segments';

/** What the server does for a context. One object may serve many contexts of the same kind. */
export interface RsmContextHost {
  /** Why ack() and nack() mean nothing here, a clause ("the handler's ack mode is 'on-completion'"); undefined where they do. */
  readonly ackRefusal?: string | undefined;
  /** The handler said how the event ended: `Outcome.done` or `Outcome.nack`. At most once per context. */
  ack(context: RsmContext, outcome: Outcome): void;
  /** `signal` was asked for the first time; from now on markAborted is heard. */
  signalRequested?(context: RsmContext): void;
}

const NO_HEADERS: Readonly<Record<string, unknown>> = Object.freeze({});

type ContextArguments = [
  pattern: string,
  headers: Readonly<Record<string, unknown>>,
  metadata: Readonly<Record<string, unknown>> | undefined,
];

/** What a handler can know of its message beside the payload, and say about it: `@Ctx() context: RsmContext`. */
export class RsmContext extends BaseRpcContext<ContextArguments> {
  private readonly attempt: number;
  private readonly host: RsmContextHost;
  private controller: AbortController | undefined;
  private abortReason: { reason: unknown } | undefined;
  private acknowledged: Outcome | undefined;

  /** @internal `attempt` counts from 1. */
  constructor(
    pattern: string,
    headers: Readonly<Record<string, unknown>> | undefined,
    metadata: Readonly<Record<string, unknown>> | undefined,
    attempt: number,
    host: RsmContextHost,
  ) {
    super([pattern, headers === undefined ? NO_HEADERS : Object.freeze(headers), metadata]);
    this.attempt = attempt;
    this.host = host;
  }

  /** The pattern of the message as it was sent; with wildcards not that of the handler. */
  getPattern(): string {
    return this.args[0];
  }

  /** What the sender gave to `setHeaders`; frozen, and empty where it gave none. */
  getHeaders(): Readonly<Record<string, unknown>> {
    return this.args[1];
  }

  /** The packet metadata that Nest's dispatch hook of the sender added, if any. */
  getMetadata(): Readonly<Record<string, unknown>> | undefined {
    return this.args[2];
  }

  /** 1 for the first delivery, one more for each redelivery. */
  getAttempt(): number {
    return this.attempt;
  }

  /** Of a request: aborted when the sender cancelled or was disconnected, or the deadline passed. Its `reason` is an RsmError. Events go on whatever becomes of their sender. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.abortReason === undefined) {
        this.host.signalRequested?.(this);
      } else {
        this.controller.abort(this.abortReason.reason);
      }
    }
    return this.controller.signal;
  }

  /** In `ack: 'manual'`: the event is finished. Throws RSM_INVALID_OPTIONS in other modes and for requests. After the first ack or nack both do nothing. */
  ack(): void {
    this.acknowledge(Outcome.done, 'ack');
  }

  /** In `ack: 'manual'`: the event is to be delivered again after the client's `retryDelay`. Throws as `ack`. */
  nack(): void {
    this.acknowledge(Outcome.nack, 'nack');
  }

  /** @internal What the handler said, if anything. */
  get outcome(): Outcome | undefined {
    return this.acknowledged;
  }

  /** @internal For the server: the first reason counts. */
  markAborted(reason: unknown): void {
    if (this.abortReason === undefined) {
      this.abortReason = { reason };
      this.controller?.abort(reason);
    }
  }

  private acknowledge(outcome: Outcome, method: string): void {
    const { ackRefusal } = this.host;
    if (ackRefusal !== undefined) {
      throw new RsmError(
        'RSM_INVALID_OPTIONS',
        `RsmContext.${method}() on '${this.getPattern()}': ${ackRefusal}. Only events handled with ack: 'manual' are acknowledged by their handler.`,
      );
    }
    if (this.acknowledged === undefined) {
      this.acknowledged = outcome;
      this.host.ack(this, outcome);
    }
  }
}
