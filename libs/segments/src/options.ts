import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import * as defaults from './defaults.js';
import { RsmError } from './errors.js';
import { INSTANCE_ID_LENGTH } from './instance-id.js';
import type { ConnectorOptions, EndpointOptions, ListenerOptions, Polling, SegmentGeometry } from './types.js';

const SERVICE = /^[A-Za-z0-9._-]{1,64}$/;
/** sizeof(sockaddr_un.sun_path) less the closing NUL. */
const MAX_SOCKET_PATH = process.platform === 'darwin' ? 103 : 107;
/** `<instance>.sock`, and the suffix of the temporary name it is bound under. */
const LONGEST_SOCKET_NAME = `${'x'.repeat(INSTANCE_ID_LENGTH)}.sock.tmp`;

const MAX_GROUPS = 16;
const GIB = 1024 * 1024 * 1024;
const MAX_PARTITIONS = 1024 * 1024;
/** The longest delay setTimeout takes, ms. */
export const MAX_DELAY = 0x7fff_ffff;
const MAX_ID = 0xffff_fffe;

function refuse(option: string, value: unknown, allowed: string): never {
  const shown = inspect(value, { depth: 1, maxStringLength: 120, maxArrayLength: 8, breakLength: Infinity });
  throw new RsmError('RSM_INVALID_OPTIONS', `Option ${option} is ${shown}; allowed: ${allowed}.`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns `value`, or `fallback` where it is undefined. Both limits are allowed values. Throws RSM_INVALID_OPTIONS. */
export function checkInteger(name: string, value: unknown, min: number, max: number, fallback: number): number {
  if (value === undefined) return fallback;
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
    refuse(name, value, `a whole number from ${min} to ${max}`);
  return value as number;
}

/** A name that is safe as a folder's name. Throws RSM_INVALID_OPTIONS. */
export function checkService(value: unknown): string {
  if (typeof value !== 'string' || !SERVICE.test(value) || value === '.' || value === '..')
    refuse('service', value, '1 to 64 letters, digits, ".", "_" and "-", but not "." or ".."');
  return value as string;
}

/** Returns a private copy, smallest partitions first; the default where undefined. Throws RSM_INVALID_OPTIONS. */
export function checkSegments(value: unknown): SegmentGeometry[] {
  if (value === undefined) return defaults.DEFAULT_SEGMENTS.map((geometry) => ({ ...geometry }));
  if (!Array.isArray(value) || value.length < 1 || value.length > MAX_GROUPS)
    refuse('segments', value, `a list of 1 to ${MAX_GROUPS} { partitionSize, partitions, spanFactor }`);
  const segments = (value as unknown[]).map((entry, index) => checkGeometry(`segments[${index}]`, entry));
  segments.sort((a, b) => a.partitionSize - b.partitionSize);
  for (let i = 1; i < segments.length; i++) {
    if (segments[i]!.partitionSize === segments[i - 1]!.partitionSize)
      refuse('segments', value, `every partitionSize once (${segments[i]!.partitionSize} stands twice)`);
  }
  const total = segments.reduce((bytes, { partitionSize, partitions }) => bytes + partitionSize * partitions, 0);
  if (total > GIB) refuse('segments', value, `at most ${GIB} bytes in all (these have ${total})`);
  return segments;
}

function checkGeometry(name: string, value: unknown): SegmentGeometry {
  if (!isRecord(value)) refuse(name, value, 'an object { partitionSize, partitions, spanFactor }');
  const { partitionSize, partitions, spanFactor } = value as Record<string, unknown>;
  const required = (key: string, number: unknown, max: number): number => {
    if (number === undefined) refuse(`${name}.${key}`, number, `a whole number from 1 to ${max}`);
    return checkInteger(`${name}.${key}`, number, 1, max, 0);
  };
  const geometry = {
    partitionSize: required('partitionSize', partitionSize, GIB),
    partitions: required('partitions', partitions, MAX_PARTITIONS),
    spanFactor: required('spanFactor', spanFactor, MAX_PARTITIONS),
  };
  if (geometry.spanFactor > geometry.partitions)
    refuse(`${name}.spanFactor`, spanFactor, `1 to the number of partitions (${geometry.partitions})`);
  return geometry;
}

/**
 * The directory that holds the services' folders: `value`, else the environment's RSM_DIRECTORY, else `/tmp/rsm-<uid>`.
 * The longest socket path of `service` in it must fit sockaddr_un (107 bytes, macOS 103). Throws RSM_INVALID_OPTIONS.
 */
export function checkDirectory(value: unknown, service: string): string {
  const fromEnvironment = process.env['RSM_DIRECTORY'];
  const name = value === undefined && fromEnvironment ? 'directory (from RSM_DIRECTORY)' : 'directory';
  const directory = value ?? (fromEnvironment || `/tmp/rsm-${process.getuid?.() ?? 0}`);
  if (typeof directory !== 'string' || !directory.startsWith('/') || directory.includes('\0'))
    refuse(name, directory, 'an absolute path, the same on both sides');
  const bytes = Buffer.byteLength(join(directory as string, service, LONGEST_SOCKET_NAME));
  if (bytes > MAX_SOCKET_PATH) {
    const room = MAX_SOCKET_PATH - Buffer.byteLength(`//${LONGEST_SOCKET_NAME}`);
    const allowed = `a path that with the service's name ("${service}") has at most ${room} bytes, since a socket's path has at most`;
    refuse(name, directory, `${allowed} ${MAX_SOCKET_PATH} (here it would have ${bytes})`);
  }
  return resolve(directory as string);
}

/** Throws RSM_INVALID_OPTIONS. */
export function checkPolling(value: unknown): Polling {
  if (value === undefined) return 'adaptive';
  if (value === 'adaptive' || value === 'blocking') return value;
  if (!isRecord(value) || value['window'] === undefined) refuse('polling', value, '"adaptive", "blocking" or { window: microseconds }');
  return { window: checkInteger('polling.window', (value as Record<string, unknown>)['window'], 1, 1_000_000, 0) };
}

/** The native form: -1 adaptive, 0 blocking, else µs. */
export function pollingWindow(polling: Polling): number {
  if (polling === 'adaptive') return -1;
  return polling === 'blocking' ? 0 : polling.window;
}

function checkIds(name: string, value: unknown): number[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > 1024 || value.some((id) => !Number.isInteger(id) || id < 0 || id > MAX_ID))
    refuse(name, value, `a list of at most 1024 numeric ids from 0 to ${MAX_ID}`);
  return [...(value as number[])];
}

function checkAllow(value: unknown): { uids: number[]; gids: number[] } {
  if (value !== undefined && !isRecord(value)) refuse('allow', value, 'an object { uids, gids }');
  const { uids, gids } = (value ?? {}) as Record<string, unknown>;
  return { uids: checkIds('allow.uids', uids), gids: checkIds('allow.gids', gids) };
}

export interface ResolvedEndpointOptions {
  service: string;
  directory: string;
  segments: SegmentGeometry[];
  maxMessageSize: number;
  polling: Polling;
  maxMemory: number;
  maxQueuedBytes: number;
  maxQueuedMessages: number;
  ownFrom: number;
  allow: { uids: number[]; gids: number[] };
}

function resolveEndpointOptions(options: EndpointOptions & { allow?: unknown }): ResolvedEndpointOptions {
  if (!isRecord(options)) refuse('options', options, 'an object with at least { service }');
  const service = checkService(options.service);
  const max = Number.MAX_SAFE_INTEGER;
  return {
    service,
    directory: checkDirectory(options.directory, service),
    segments: checkSegments(options.segments),
    maxMessageSize: checkInteger('maxMessageSize', options.maxMessageSize, 1, GIB, defaults.DEFAULT_MAX_MESSAGE_SIZE),
    polling: checkPolling(options.polling),
    maxMemory: checkInteger('maxMemory', options.maxMemory, 1, max, defaults.DEFAULT_MAX_MEMORY),
    maxQueuedBytes: checkInteger('maxQueuedBytes', options.maxQueuedBytes, 1, max, defaults.DEFAULT_MAX_QUEUED_BYTES),
    maxQueuedMessages: checkInteger('maxQueuedMessages', options.maxQueuedMessages, 1, max, defaults.DEFAULT_MAX_QUEUED_MESSAGES),
    ownFrom: options.ownFrom === Infinity ? Infinity : checkInteger('ownFrom', options.ownFrom, 1, GIB, Infinity),
    allow: checkAllow(options.allow),
  };
}

export interface ResolvedListenerOptions extends ResolvedEndpointOptions {
  maxConnections: number;
  handshakeTimeout: number;
  maxHandshakes: number;
  eventCredit: number;
  requestCredit: number;
}

export function resolveListenerOptions(options: ListenerOptions): ResolvedListenerOptions {
  const resolved = resolveEndpointOptions(options);
  const { maxConnections, handshakeTimeout, maxHandshakes, eventCredit, requestCredit } = options;
  return {
    ...resolved,
    maxConnections: checkInteger('maxConnections', maxConnections, 1, 65_535, defaults.DEFAULT_MAX_CONNECTIONS),
    handshakeTimeout: checkInteger('handshakeTimeout', handshakeTimeout, 1, MAX_DELAY, defaults.DEFAULT_HANDSHAKE_TIMEOUT),
    maxHandshakes: checkInteger('maxHandshakes', maxHandshakes, 1, 65_535, defaults.DEFAULT_MAX_HANDSHAKES),
    eventCredit: checkInteger('eventCredit', eventCredit, 1, defaults.UNLIMITED_CREDIT, defaults.UNLIMITED_CREDIT),
    requestCredit: checkInteger('requestCredit', requestCredit, 1, defaults.UNLIMITED_CREDIT, defaults.UNLIMITED_CREDIT),
  };
}

export interface ResolvedConnectorOptions extends ResolvedEndpointOptions {
  connectTimeout: number;
  retryAttempts: number;
  scanInterval: number;
}

export function resolveConnectorOptions(options: ConnectorOptions): ResolvedConnectorOptions {
  const resolved = resolveEndpointOptions(options);
  const { connectTimeout, retryAttempts, scanInterval } = options;
  return {
    ...resolved,
    connectTimeout: checkInteger('connectTimeout', connectTimeout, 0, MAX_DELAY, defaults.DEFAULT_CONNECT_TIMEOUT),
    retryAttempts:
      retryAttempts === Infinity ? Infinity : checkInteger('retryAttempts', retryAttempts, 0, Number.MAX_SAFE_INTEGER, Infinity),
    scanInterval: checkInteger('scanInterval', scanInterval, 1, MAX_DELAY, defaults.DEFAULT_SCAN_INTERVAL),
  };
}
