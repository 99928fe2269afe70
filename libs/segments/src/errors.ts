/** What went wrong, for programs. The message says what happened, to which peer or folder, and what to do. */
export type RsmErrorCode =
  | 'RSM_UNREACHABLE'
  | 'RSM_CONNECTION_LOST'
  | 'RSM_BACKPRESSURE'
  | 'RSM_MESSAGE_TOO_LARGE'
  | 'RSM_TIMEOUT'
  | 'RSM_PROTOCOL_MISMATCH'
  | 'RSM_PERMISSION_DENIED'
  | 'RSM_CORRUPT_SEGMENT'
  | 'RSM_INVALID_OPTIONS'
  | 'RSM_UNSUPPORTED_PLATFORM'
  | 'RSM_OUT_OF_RESOURCES'
  | 'RSM_FABRIC_UNAVAILABLE';

const BRAND = Symbol.for('nestjs-rsm.error');

/** The one error class of this project. Recognise it with {@link RsmError.is}: an ESM and a CommonJS copy may be loaded side by side. */
export class RsmError extends Error {
  readonly code: RsmErrorCode;

  constructor(code: RsmErrorCode, message: string, options?: { cause?: unknown }) {
    // Without a cause no property for one: a logged error would show it as undefined.
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    // Not enumerable, so that logging an error does not show it.
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** True for every RsmError, whichever copy of this package made it. */
  static is(value: unknown): value is RsmError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
  }
}

// On the prototype, as the built-in errors have it: an own property would be printed with every logged error.
Object.defineProperty(RsmError.prototype, 'name', { value: 'RsmError', writable: true, configurable: true });

/** The `code` of a Node.js or native error, or undefined. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Makes what a user's handler threw an uncaught exception, without unwinding through native code or the rest of a batch. */
export function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}

/** Runs handlers of a user; see throwLater. */
export function guard(work: () => void): void {
  try {
    work();
  } catch (error) {
    throwLater(error);
  }
}

/** Turns an error of the native package into an RsmError whose message ends with `where`; any other error is returned as it is. */
export function fromNative(error: unknown, where: string): unknown {
  if (RsmError.is(error)) return error;
  const code = codeOf(error);
  if (!code?.startsWith('RSM_')) return error;
  return new RsmError(code as RsmErrorCode, `${(error as Error).message} (${where})`, { cause: error });
}
