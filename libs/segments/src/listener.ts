import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Endpoint, type OwnNativeOptions } from './endpoint.js';
import { codeOf, fromNative, RsmError } from './errors.js';
import { prepareServiceFolder, removeIfEmpty, removeRefusedSockets, SOCKET_SUFFIX, unlinkSocket } from './folder.js';
import { newInstanceId } from './instance-id.js';
import { resolveListenerOptions, type ResolvedListenerOptions } from './options.js';
import { QueueBudget } from './queue-budget.js';
import type { ListenerOptions } from './types.js';

/** How often the folder is made again when a closing neighbour removes it between making it and binding in it. */
const LISTEN_ATTEMPTS = 10;
const NOTICE_DRAINING = 1;

/** Sockets of this thread's listeners. A process that exits without close() takes them along; only one that is killed leaves its socket to others. */
const visible = new Set<string>();
const unlinkVisible = (): void => visible.forEach(unlinkSocket);

function show(path: string): void {
  if (visible.size === 0) process.on('exit', unlinkVisible);
  visible.add(path);
}

function hide(path: string): void {
  visible.delete(path);
  if (visible.size === 0) process.off('exit', unlinkVisible);
}

/** One instance of a service: it owns the segments its clients send into. */
export class Listener extends Endpoint {
  /** The random id of this instance. */
  readonly instance = newInstanceId();
  /** The service's folder. */
  readonly folder: string;
  /** Path of the socket, which exists from listen() to beginDrain() or close(). */
  readonly path: string;
  declare protected readonly options: ResolvedListenerOptions;
  private state: 'idle' | 'listening' | 'draining' | 'closed' = 'idle';

  /** Throws RSM_INVALID_OPTIONS, RSM_UNSUPPORTED_PLATFORM. Nothing is visible to others before listen(). */
  constructor(options: ListenerOptions) {
    super(resolveListenerOptions(options));
    this.folder = join(this.options.directory, this.options.service);
    this.path = join(this.folder, this.instance + SOCKET_SUFFIX);
    this.create();
  }

  /**
   * Makes the folders (0700, or 2750 with allow.gids), verifies owner, mode and kind, listens, and removes the sockets of dead
   * instances. Rejects with RSM_PERMISSION_DENIED or RSM_UNREACHABLE. Idempotent while listening; a closed listener stays closed.
   */
  async listen(): Promise<void> {
    if (this.state === 'listening') return;
    if (this.state !== 'idle')
      throw new RsmError(
        'RSM_UNREACHABLE',
        `This listener of "${this.options.service}" has been closed. Make a new one: instances are never reused.`,
      );
    this.bind();
    show(this.path);
    this.state = 'listening';
    this.activate();
    await removeRefusedSockets(this.folder, this.path);
  }

  /** Stops accepting, tells the peers, returns unstarted messages from now on. Synchronous, idempotent. */
  beginDrain(): void {
    if (this.state !== 'listening') return;
    this.state = 'draining';
    this.native.stopListening();
    hide(this.path);
    this.native.notice(NOTICE_DRAINING);
    this.native.returnUnstarted();
  }

  /**
   * Ends every connection at once and frees everything; the folder goes if it is empty. 'closed' is emitted for each connection, without
   * onReturned: wait for flushed() first where that matters. Idempotent.
   */
  async close(): Promise<void> {
    if (this.state === 'closed') return;
    const wasVisible = this.state !== 'idle';
    this.state = 'closed';
    this.destroy();
    if (!wasVisible) return;
    unlinkSocket(this.path);
    hide(this.path);
    await removeIfEmpty(this.folder);
  }

  protected isActive(): boolean {
    return this.state === 'listening' || this.state === 'draining';
  }

  protected nativeOptions(): OwnNativeOptions {
    const { maxConnections, allow, handshakeTimeout, maxHandshakes, eventCredit, requestCredit } = this.options;
    return {
      role: 'listener',
      identity: this.instance,
      maxConnections,
      allowUids: allow.uids,
      allowGids: allow.gids,
      handshakeTimeout,
      maxHandshakes,
      eventCredit,
      requestCredit,
    };
  }

  protected opened(): void {}

  protected lost(): void {}

  protected handshakeFailed(_id: number, error: RsmError): void {
    // Whoever connects and goes without a word only looked whether somebody listens.
    if (error.code !== 'RSM_CONNECTION_LOST') this.emit('refused', error);
  }

  protected budgetOf(): QueueBudget {
    return new QueueBudget(this.options.maxQueuedBytes, this.options.maxQueuedMessages);
  }

  private bind(): void {
    const { directory, service, allow } = this.options;
    for (let attempt = 1; ; attempt++) {
      prepareServiceFolder(directory, service, allow.gids[0]);
      try {
        this.native.listen(this.path, allow.gids[0]);
        return;
      } catch (error) {
        if (attempt < LISTEN_ATTEMPTS && !existsSync(this.folder)) continue;
        if (codeOf(error)?.startsWith('RSM_')) throw fromNative(error, `listening at ${this.path}`);
        throw new RsmError('RSM_UNREACHABLE', `Cannot listen at ${this.path}: ${String(error)}`, { cause: error });
      }
    }
  }
}
