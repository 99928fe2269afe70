import type { ConsumerDeserializer, ConsumerSerializer, ProducerDeserializer, ProducerSerializer } from '@nestjs/microservices';
import type { Polling, SegmentGeometry } from '@nestjs-rsm/segments';
import type { CodecName } from '../codec/index.js';
import type { RsmRouting } from '../record/index.js';

/** When an event is released: after its handlers have ended, when it arrives, or when a handler says so with `context.ack()`. */
export type RsmAckMode = 'on-completion' | 'on-receipt' | 'manual';

/** An event that was given up. */
export interface RsmDeadLetter {
  readonly pattern: string;
  readonly data: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Deliveries that had begun. */
  readonly attempts: number;
  /** Why it was given up, a sentence. */
  readonly reason: string;
  /** Instance it was last delivered to, where there was one. */
  readonly instance?: string;
}

/** Options of RsmServer and RsmClient alike. */
export interface RsmCommonOptions {
  /** Name of the service: 1 to 64 letters, digits, `.`, `_`, `-`; not `.` or `..`. Required. */
  service: string;
  /** Folder in which services are found, an absolute path, the same for servers and clients. Default: the environment's RSM_DIRECTORY, else `/tmp/rsm-<uid>`. */
  directory?: string;
  /** Segments for the messages this side receives, for each connection. Partition sizes differ, partitions ≥ span factor. Default: for 64 B to 1 MiB. */
  segments?: readonly SegmentGeometry[];
  /** Bytes of the longest message this side receives, 1 to 1 GiB. Default: 64 MiB. */
  maxMessageSize?: number;
  /** How this side waits for messages: `{ window }` polls that many microseconds after each, 1 to 1,000,000. Default: 'adaptive'. */
  polling?: Polling;
  /** How this side writes payloads; it reads both. Default: 'json'. */
  codec?: CodecName;
  /**
   * Bytes of messages that wait for room (client: emits and requests not yet committed; server: replies, for each connection). More fail with
   * RSM_BACKPRESSURE; one message alone always fits. Default: 64 MiB.
   */
  maxQueuedBytes?: number;
  /** The same in messages. Default: 1,000,000. */
  maxQueuedMessages?: number;
}

export interface RsmServerOptions extends RsmCommonOptions {
  /** Nest's serializer for replies, in place of the codec's direct way. */
  serializer?: ConsumerSerializer;
  /** Nest's deserializer for events and requests. */
  deserializer?: ConsumerDeserializer;
  /** Default: 'on-completion'. A handler's extras override it: `@EventPattern('x', { ack: 'manual' })`. */
  ack?: RsmAckMode;
  /** Events in their handlers at once, 1 to 1,000,000; 1: one after the other. Default: 64. A handler's extras override it. */
  concurrency?: number;
  /** Requests in their handlers at once, for each connection, 1 to 1,000,000; beyond it they wait in their partitions. Default: 1,000. */
  maxRequests?: number;
  /** Clients connected at once, 1 to 65,535. Default: 512. */
  maxConnections?: number;
  /** Bytes reserved (not used) for all connections. More connections are refused. Default: 8 GiB. */
  maxMemory?: number;
  /** Users and groups beside the own user that may connect, numeric ids, at most 1,024 each. Default: none. */
  allow?: { uids?: number[]; gids?: number[] };
  /** Milliseconds that `drain()` and `close()` give to running handlers, 0 to 2,147,483,647. Default: 10,000. */
  drainTimeout?: number;
  /**
   * Handlers are given Buffers and typed arrays of 4 kB and more in place, without a copy; they have 0 bytes once the message is released. For trusted peers only, see
   * docs/guarantees.md. Default: false. A handler's extras override it: `@EventPattern('x', { zeroCopy: true })`.
   */
  zeroCopy?: boolean;
  /** Handlers' patterns may hold `*` (one token) and `>` (the rest), tokens being parted by dots; all matches run. Default: false. */
  wildcards?: boolean;
}

export interface RsmClientOptions extends RsmCommonOptions {
  /** Nest's serializer for events and requests, in place of the codec's direct way. */
  serializer?: ProducerSerializer;
  /** Nest's deserializer for replies. */
  deserializer?: ProducerDeserializer;
  /** Which instances an `emit` goes to; `send` always balances. Default: 'balance'. */
  routing?: RsmRouting;
  /** Deliveries of one event before it is a dead letter, 1 to 1,000. Default: 5. */
  maxAttempts?: number;
  /**
   * Milliseconds before an event is delivered again, 0 to 2,147,483,647, or a function of the attempts made (from 1); where it returns something outside of that
   * range, or throws, the default counts. Default: 100 ms, doubled with each attempt, at most 5 s.
   */
  retryDelay?: number | ((attempt: number) => number);
  /** Told of each dead letter. What it throws is logged. */
  onDeadLetter?: (letter: RsmDeadLetter) => void | Promise<void>;
  /** Dead letters kept, 0 to 1,000,000; the oldest go first. Default: 1,000. */
  maxDeadLetters?: number;
  /** Milliseconds to wait for an instance, 0 to 2,147,483,647; then RSM_UNREACHABLE. Default: 5,000. */
  connectTimeout?: number;
  /** Attempts to reach an instance again after its connection was lost. Default: Infinity. */
  retryAttempts?: number;
  /** Milliseconds that `close()` waits for messages to be committed and released, 0 to 2,147,483,647. Default: 5,000. */
  closeTimeout?: number;
}

interface ResolvedCommonOptions {
  service: string;
  /** Absolute. */
  directory: string;
  segments: SegmentGeometry[];
  maxMessageSize: number;
  polling: Polling;
  codec: CodecName;
  maxQueuedBytes: number;
  maxQueuedMessages: number;
}

/** RsmServerOptions, checked, with defaults. Undefined is left where the segments package has the default. */
export interface ResolvedServerOptions extends ResolvedCommonOptions {
  serializer: ConsumerSerializer | undefined;
  deserializer: ConsumerDeserializer | undefined;
  ack: RsmAckMode;
  concurrency: number;
  maxRequests: number;
  maxConnections: number | undefined;
  maxMemory: number | undefined;
  allow: { uids: number[]; gids: number[] };
  drainTimeout: number;
  zeroCopy: boolean;
  wildcards: boolean;
}

/** RsmClientOptions, checked, with defaults. */
export interface ResolvedClientOptions extends ResolvedCommonOptions {
  serializer: ProducerSerializer | undefined;
  deserializer: ProducerDeserializer | undefined;
  routing: RsmRouting;
  maxAttempts: number;
  /** Always returns 0 to 2,147,483,647. */
  retryDelay: (attempt: number) => number;
  onDeadLetter: ((letter: RsmDeadLetter) => void | Promise<void>) | undefined;
  maxDeadLetters: number;
  connectTimeout: number;
  retryAttempts: number;
  closeTimeout: number;
}
