import type { ConsumerDeserializer, ConsumerSerializer, ProducerDeserializer, ProducerSerializer } from '@nestjs/microservices';
import { checkDirectory, checkPolling, checkSegments, checkService, DEFAULT_MAX_MESSAGE_SIZE, RsmError } from '@nestjs-rsm/segments';
import leven from 'leven';
import { CODEC_NAMES, type CodecName } from '../codec/index.js';
import { ROUTINGS } from '../record/index.js';
import {
  allow,
  boolean,
  type Check,
  delay,
  integer,
  integerOrInfinity,
  integerOrUndefined,
  isObject,
  oneOf,
  optionalFunction,
  optionalWithMethod,
  refuse,
} from './checks.js';
import { retryDelay } from './retry-delay.js';
import type {
  ResolvedClientOptions,
  ResolvedServerOptions,
  RsmAckMode,
  RsmClientOptions,
  RsmDeadLetter,
  RsmServerOptions,
} from './types.js';

export const ACK_MODES: readonly RsmAckMode[] = ['on-completion', 'on-receipt', 'manual'];
/** Chosen by measurement: see the decision on codecs. */
export const DEFAULT_CODEC: CodecName = 'json';
/** The bounds of `concurrency`, also in a handler's extras. */
export const MOST_HANDLERS = 1_000_000;

const MIB = 1024 * 1024;
const LARGEST_MESSAGE = 1024 * MIB;

type Table<TResolved> = { readonly [Option in keyof TResolved]: Check<TResolved[Option]> };

const COMMON = {
  service: checkService,
  directory: (value: unknown) => value as string, // checked last: its length counts with the service's
  segments: checkSegments,
  maxMessageSize: integer(1, LARGEST_MESSAGE, DEFAULT_MAX_MESSAGE_SIZE),
  polling: checkPolling,
  codec: oneOf(CODEC_NAMES, DEFAULT_CODEC),
  maxQueuedBytes: integer(1, Number.MAX_SAFE_INTEGER, 64 * MIB),
  maxQueuedMessages: integer(1, Number.MAX_SAFE_INTEGER, 1_000_000),
};

const SERVER: Table<ResolvedServerOptions> = {
  ...COMMON,
  serializer: optionalWithMethod<ConsumerSerializer>('serialize'),
  deserializer: optionalWithMethod<ConsumerDeserializer>('deserialize'),
  ack: oneOf(ACK_MODES, 'on-completion'),
  concurrency: integer(1, MOST_HANDLERS, 64),
  maxRequests: integer(1, MOST_HANDLERS, 1_000),
  maxConnections: integerOrUndefined(1, 65_535),
  maxMemory: integerOrUndefined(1, Number.MAX_SAFE_INTEGER),
  allow,
  drainTimeout: delay(10_000),
  zeroCopy: boolean(false),
  wildcards: boolean(false),
};

const CLIENT: Table<ResolvedClientOptions> = {
  ...COMMON,
  serializer: optionalWithMethod<ProducerSerializer>('serialize'),
  deserializer: optionalWithMethod<ProducerDeserializer>('deserialize'),
  routing: oneOf(ROUTINGS, 'balance'),
  maxAttempts: integer(1, 1_000, 5),
  retryDelay,
  onDeadLetter: optionalFunction<(letter: RsmDeadLetter) => void | Promise<void>>(),
  maxDeadLetters: integer(0, 1_000_000, 1_000),
  connectTimeout: delay(5_000),
  retryAttempts: integerOrInfinity(0, Infinity),
  closeTimeout: delay(5_000),
};

/** Throws RSM_INVALID_OPTIONS, or RSM_FABRIC_UNAVAILABLE for options of connections between hosts. */
export function resolveServerOptions(options: RsmServerOptions): ResolvedServerOptions {
  return resolve('RsmServer', options, SERVER, 'RsmClient', CLIENT);
}

/** Throws as resolveServerOptions. */
export function resolveClientOptions(options: RsmClientOptions): ResolvedClientOptions {
  return resolve('RsmClient', options, CLIENT, 'RsmServer', SERVER);
}

function resolve<TResolved extends { service: string; directory: string }>(
  owner: string,
  options: unknown,
  table: Table<TResolved>,
  other: string,
  otherTable: object,
): TResolved {
  if (!isObject(options)) {
    refuse(`object of ${owner}`, options, 'an object with at least { service }');
  }
  for (const option of Object.keys(options)) {
    if (!Object.hasOwn(table, option)) {
      throw unknownOption(owner, option, Object.keys(table), Object.hasOwn(otherTable, option) ? other : undefined);
    }
  }
  const resolved: Partial<TResolved> = {};
  for (const option of Object.keys(table) as (keyof TResolved & string)[]) {
    resolved[option] = table[option](options[option], option);
  }
  resolved.directory = checkDirectory(options['directory'], resolved.service as string);
  return resolved as TResolved;
}

const FABRIC_OPTIONS: readonly string[] = ['urls', 'listen', 'tls'];

function unknownOption(owner: string, option: string, known: string[], other: string | undefined): RsmError {
  if (FABRIC_OPTIONS.includes(option)) {
    return new RsmError(
      'RSM_FABRIC_UNAVAILABLE',
      `Option ${option} of ${owner} is for connections between hosts, which this version does not have. Leave it out; on one host 'service' (and 'directory') is enough.`,
    );
  }
  const nearest = known
    .map((name) => ({ name, edits: leven(name.toLowerCase(), option.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)[0]!;
  let hint = `known are ${known.join(', ')}`;
  if (other !== undefined) {
    hint = `it is an option of ${other}`;
  } else if (nearest.edits <= Math.max(2, Math.floor(option.length / 3))) {
    hint = `did you mean '${nearest.name}'?`;
  }
  return new RsmError('RSM_INVALID_OPTIONS', `${owner} has no option '${option}'; ${hint.endsWith('?') ? hint : `${hint}.`}`);
}
