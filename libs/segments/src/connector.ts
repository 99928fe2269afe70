import { join } from 'node:path';
import type { PeerConnection } from './connection.js';
import { UNLIMITED_CREDIT } from './defaults.js';
import { Endpoint, type OwnNativeOptions } from './endpoint.js';
import { RsmError } from './errors.js';
import { removeIfEmpty } from './folder.js';
import { Instances } from './instances.js';
import { newInstanceId } from './instance-id.js';
import { checkInteger, MAX_DELAY, resolveConnectorOptions, type ResolvedConnectorOptions } from './options.js';
import type { QueueBudget } from './queue-budget.js';
import type { ConnectorOptions } from './types.js';

/** More instances of one service on one host than anybody runs. */
const MAX_INSTANCES = 65_535;
const ROOT = 0;

interface Waiter {
  resolve(): void;
  reject(error: RsmError): void;
  timer: NodeJS.Timeout;
}

/** A client of a service: connected to every live instance of it in the folder, now and later. */
export class Connector extends Endpoint {
  /** The service's folder, where its instances have their sockets. */
  readonly folder: string;
  declare protected readonly options: ResolvedConnectorOptions;
  private instances: Instances | undefined;
  private readonly waiters = new Set<Waiter>();

  /** Throws RSM_INVALID_OPTIONS, RSM_UNSUPPORTED_PLATFORM. Does nothing before start() or ready(). */
  constructor(options: ConnectorOptions) {
    super(resolveConnectorOptions(options));
    this.folder = join(this.options.directory, this.options.service);
    this.create();
  }

  /**
   * Begins to look for instances and connects to every one; goes on watching the folder: new ones are connected, sockets that refuse
   * are removed, lost instances are tried again while their sockets accept. Idempotent.
   */
  override start(): void;
  /** With a delivery: Endpoint.start(), which bears the same name. */
  override start(delivery: number): void;
  override start(delivery?: number): void {
    if (delivery !== undefined) return super.start(delivery);
    if (this.instances) return;
    if (this.closed) {
      this.create();
      this.closed = false;
    }
    const { directory, allow, scanInterval, retryAttempts } = this.options;
    this.activate();
    this.instances = new Instances({
      directory,
      folder: this.folder,
      trustedUids: allow.uids,
      scanInterval,
      retryAttempts,
      connect: (path) => this.native.connect(path),
      onRefusal: (error) => {
        this.emit('refused', error);
        this.checkRefused();
      },
    });
    this.instances.start();
  }

  /**
   * Resolves when at least one connection is open. Rejects with RSM_UNREACHABLE (names the folder) after `timeout` ms (default
   * connectTimeout), or at once with RSM_PERMISSION_DENIED or RSM_PROTOCOL_MISMATCH while every instance found so far, or the folder
   * itself, refuses for that reason. Starts if needed; goes on looking after a rejection.
   */
  ready(timeout?: number): Promise<void> {
    let delay: number;
    try {
      delay = checkInteger('timeout', timeout, 0, MAX_DELAY, this.options.connectTimeout);
      this.start();
    } catch (error) {
      return Promise.reject(error as Error);
    }
    if (this.isConnected()) return Promise.resolve();
    const refusal = this.instances?.refusal();
    if (refusal) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters.delete(waiter);
        reject(this.unreachable(`within ${delay} ms`));
      }, delay);
      const waiter: Waiter = { resolve, reject, timer };
      this.waiters.add(waiter);
    });
  }

  /**
   * Ends every connection at once; graceful waiting is flushed()'s. 'closed' is emitted for each, without onReturned. Can be start()ed
   * again; deliveries from before must not be settled then. Idempotent.
   */
  async close(): Promise<void> {
    if (this.closed) return;
    const wasStarted = this.instances !== undefined;
    this.instances?.stop();
    this.instances = undefined;
    this.destroy();
    this.settleWaiters(this.unreachable('before this connector was closed'));
    if (wasStarted) await removeIfEmpty(this.folder);
  }

  protected isActive(): boolean {
    return this.instances !== undefined;
  }

  protected nativeOptions(): OwnNativeOptions {
    return {
      role: 'connector',
      identity: newInstanceId(),
      maxConnections: MAX_INSTANCES,
      allowUids: [ROOT, ...this.options.allow.uids],
      allowGids: [],
      handshakeTimeout: Math.max(1, this.options.connectTimeout),
      maxHandshakes: MAX_INSTANCES,
      eventCredit: UNLIMITED_CREDIT,
      requestCredit: UNLIMITED_CREDIT,
    };
  }

  protected opened(connection: PeerConnection): void {
    this.instances?.opened(connection.id);
    this.settleWaiters();
  }

  protected lost(connection: PeerConnection): void {
    this.instances?.lost(connection.id, connection.openedAt);
  }

  protected handshakeFailed(id: number, error: RsmError): void {
    this.instances?.failed(id, error);
  }

  protected budgetOf(): QueueBudget {
    return this.budget;
  }

  private isConnected(): boolean {
    for (const connection of this.connections) if (connection.open) return true;
    return false;
  }

  private checkRefused(): void {
    if (this.waiters.size === 0 || this.isConnected()) return;
    const refusal = this.instances?.refusal();
    if (refusal) this.settleWaiters(refusal);
  }

  private settleWaiters(error?: RsmError): void {
    for (const waiter of this.waiters) {
      clearTimeout(waiter.timer);
      if (error) waiter.reject(error);
      else waiter.resolve();
    }
    this.waiters.clear();
  }

  private unreachable(when: string): RsmError {
    const { service } = this.options;
    const last = this.instances?.lastFailure;
    const what = `No instance of service "${service}" could be reached in ${this.folder} ${when}`;
    const advice = 'Start the service, and let both sides use the same directory (option directory or RSM_DIRECTORY).';
    return new RsmError('RSM_UNREACHABLE', `${what}${last ? ` (last: ${last.message})` : ''}. ${advice}`, { cause: last });
  }
}
