import { readdirSync, watch, type FSWatcher } from 'node:fs';
import { basename } from 'node:path';
import { codeOf } from './errors.js';
import { MAX_DELAY } from './options.js';

/** The kernel may drop events of a full queue without a word; this bounds how long such a loss can matter. */
const RELOOK_INTERVAL_MS = 5_000;

/**
 * Reports the names in a folder: at the start and whenever something in it changes. The folder may be missing, appear, go and come
 * again; while it cannot be watched, it is looked at every `scanInterval` ms. Never keeps the process alive.
 */
export class FolderWatcher {
  private watcher: FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;
  private pending: NodeJS.Immediate | undefined;
  private running = false;

  /** `onNames` gets an empty list where the folder is missing, and the error where it cannot be read for another reason. */
  constructor(
    private readonly folder: string,
    private readonly scanInterval: number,
    private readonly onNames: (names: string[], error?: unknown) => void,
  ) {}

  /** Whether the kernel reports changes (false: scanning). */
  get watching(): boolean {
    return this.watcher !== undefined;
  }

  /** Looks at once (onNames is called inside) and goes on. */
  start(): void {
    if (this.running) return;
    this.running = true;
    this.look();
  }

  stop(): void {
    this.running = false;
    clearTimeout(this.timer);
    clearImmediate(this.pending);
    this.pending = undefined;
    this.unwatch();
  }

  /** Looks again soon; several calls make one look. */
  lookAgain(): void {
    if (!this.running || this.pending) return;
    this.pending = setImmediate(() => {
      this.pending = undefined;
      this.look();
    });
  }

  private look(): void {
    // Watch first, read after: nothing can come in between unseen.
    this.watcher ??= this.tryWatch();
    let names: string[] = [];
    let failure: unknown;
    try {
      names = readdirSync(this.folder);
    } catch (error) {
      this.unwatch();
      if (codeOf(error) !== 'ENOENT') failure = error;
    }
    clearTimeout(this.timer);
    const interval = this.watcher ? RELOOK_INTERVAL_MS : this.scanInterval;
    this.timer = setTimeout(() => this.look(), Math.min(interval, MAX_DELAY)).unref();
    this.onNames(names, failure);
  }

  private tryWatch(): FSWatcher | undefined {
    try {
      const own = basename(this.folder);
      const watcher = watch(this.folder, { persistent: false }, (_event, name) => {
        // An event that bears the folder's own name tells of the folder itself: it may have been removed, and another may stand there.
        if (name === null || name === own) this.unwatch();
        this.lookAgain();
      });
      watcher.on('error', () => {
        this.unwatch();
        this.lookAgain();
      });
      return watcher;
    } catch {
      return undefined;
    }
  }

  private unwatch(): void {
    this.watcher?.close();
    this.watcher = undefined;
  }
}
