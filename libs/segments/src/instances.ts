import { join } from 'node:path';
import { fromNative, RsmError } from './errors.js';
import { FolderWatcher } from './folder-watcher.js';
import { folderError, isSocket, SOCKET_SUFFIX, unlinkSocket, verifyServiceFolder } from './folder.js';

/** A connection that lived this long was a success: the next attempt does not wait. */
const STABLE_MS = 1_000;
const FIRST_BACK_OFF_MS = 10;
const LONGEST_BACK_OFF_MS = 5_000;

export interface InstancesOptions {
  directory: string;
  folder: string;
  /** Whose folder is trusted beside the own uid's and root's. */
  trustedUids: readonly number[];
  /** ms */
  scanInterval: number;
  retryAttempts: number;
  /** Starts a connection and returns its id; throws native errors. */
  connect(path: string): number;
  /** An attempt failed for another reason than that the instance is gone. */
  onRefusal(error: RsmError): void;
}

interface Instance {
  name: string;
  /** Of the native connection, while one is being made or is open. */
  connection: number | undefined;
  /** Attempts that failed in a row. */
  failures: number;
  /** Why it will not have us, if it said so. */
  refusal: RsmError | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** Milliseconds to wait after that many failures in a row. */
export function backOff(failures: number): number {
  return failures === 0 ? 0 : Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (failures - 1));
}

/** The instances of a service that a connector has found in the folder, and the attempts to connect to them. */
export class Instances {
  /** The newest failure, whatever it was. */
  lastFailure: RsmError | undefined;
  private readonly byName = new Map<string, Instance>();
  private readonly byConnection = new Map<number, Instance>();
  private readonly watcher: FolderWatcher;
  private folderRefusal: RsmError | undefined;
  private stopped = false;

  constructor(private readonly options: InstancesOptions) {
    this.watcher = new FolderWatcher(options.folder, options.scanInterval, (names, error) => this.found(names, error));
  }

  start(): void {
    this.watcher.start();
  }

  stop(): void {
    this.stopped = true; // perhaps inside onRefusal
    this.watcher.stop();
    for (const instance of this.byName.values()) clearTimeout(instance.timer);
    this.byName.clear();
    this.byConnection.clear();
  }

  /** The refusal of the folder, or that of the first instance where every one has refused; else undefined. */
  refusal(): RsmError | undefined {
    if (this.folderRefusal) return this.folderRefusal;
    let first: RsmError | undefined;
    for (const { refusal } of this.byName.values()) {
      if (!refusal) return undefined;
      first ??= refusal;
    }
    return first;
  }

  opened(connection: number): void {
    const instance = this.byConnection.get(connection);
    if (instance) instance.refusal = undefined;
  }

  /** An open connection ended. */
  lost(connection: number, openedAt: number): void {
    const instance = this.takeByConnection(connection);
    if (!instance) return;
    // A peer that accepts and drops us at once, again and again, must not keep us busy.
    instance.failures = Date.now() - openedAt >= STABLE_MS ? 0 : instance.failures + 1;
    this.retryLater(instance);
  }

  /** A connection ended during its handshake. */
  failed(connection: number, error: RsmError): void {
    const instance = this.takeByConnection(connection);
    if (instance) this.noteFailure(instance, error);
  }

  private found(names: string[], error: unknown): void {
    if (!this.isFolderTrusted(names, error)) return;
    const present = new Set(names.filter((name) => name.endsWith(SOCKET_SUFFIX)));
    for (const instance of this.byName.values()) {
      if (instance.connection === undefined && !present.has(instance.name)) this.forget(instance);
    }
    for (const name of present) {
      if (this.stopped) return;
      if (this.byName.has(name) || !isSocket(this.pathOf(name))) continue;
      const instance: Instance = { name, connection: undefined, failures: 0, refusal: undefined, timer: undefined };
      this.byName.set(name, instance);
      this.connect(instance);
    }
  }

  private isFolderTrusted(names: string[], error: unknown): boolean {
    const before = this.folderRefusal;
    this.folderRefusal = undefined;
    try {
      if (error !== undefined) throw folderError(error, `Cannot read the folder ${this.options.folder}`);
      if (names.length > 0) verifyServiceFolder(this.options.directory, this.options.folder, this.options.trustedUids);
      return true;
    } catch (cause) {
      this.lastFailure = cause as RsmError;
      if (isLasting(this.lastFailure)) this.folderRefusal = this.lastFailure;
      if (before?.message !== this.lastFailure.message) this.options.onRefusal(this.lastFailure);
      return false;
    }
  }

  private connect(instance: Instance): void {
    const path = this.pathOf(instance.name);
    try {
      instance.connection = this.options.connect(path);
      this.byConnection.set(instance.connection, instance);
    } catch (error) {
      const reason = (error as { reason?: unknown }).reason;
      if (reason === 'ECONNREFUSED' || reason === 'ENOENT') {
        // Nobody listens: a listener shows its socket under this name only once it listens.
        if (reason === 'ECONNREFUSED') unlinkSocket(path);
        this.forget(instance);
        return;
      }
      this.noteFailure(instance, this.asRefusal(error, reason, path));
    }
  }

  private asRefusal(error: unknown, reason: unknown, path: string): RsmError {
    if (reason === 'EACCES' || reason === 'EPERM') {
      const advice = 'The service must allow this user or group (allow.gids).';
      return new RsmError('RSM_PERMISSION_DENIED', `Not allowed to connect to ${path} (${reason}). ${advice}`, { cause: error });
    }
    const typed = fromNative(error, `connecting to ${path}`);
    if (RsmError.is(typed)) return typed;
    return new RsmError('RSM_UNREACHABLE', `Cannot connect to ${path}: ${String(error)}`, { cause: error });
  }

  private noteFailure(instance: Instance, error: RsmError): void {
    this.lastFailure = error;
    instance.refusal = isLasting(error) ? error : undefined;
    instance.failures++;
    this.retryLater(instance);
    this.options.onRefusal(error);
  }

  private retryLater(instance: Instance): void {
    // Given up: it stays known, so that it is not tried again until its socket has gone.
    if (instance.failures > this.options.retryAttempts) return;
    instance.timer = setTimeout(() => this.connect(instance), backOff(instance.failures)).unref();
  }

  private takeByConnection(connection: number): Instance | undefined {
    const instance = this.byConnection.get(connection);
    if (!instance) return undefined;
    this.byConnection.delete(connection);
    instance.connection = undefined;
    return instance;
  }

  private forget(instance: Instance): void {
    clearTimeout(instance.timer);
    this.byName.delete(instance.name);
  }

  private pathOf(name: string): string {
    return join(this.options.folder, name);
  }
}

/** Waiting alone will not help. */
function isLasting(error: RsmError): boolean {
  return error.code === 'RSM_PERMISSION_DENIED' || error.code === 'RSM_PROTOCOL_MISMATCH';
}
