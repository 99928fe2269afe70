import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** native/bench/limits_addon.cc. */
export interface LimitsAddon {
  readonly Ring: new (path: string, bytes: number, end: 0 | 1, onMessages: (count: number, arena: Buffer) => void) => Ring;
  /** A descriptor of so many bytes of shared memory. */
  createMemory(bytes: number): number;
  /** Bytes per second of one core that copies messages into, and out of, so many bytes of shared memory; the slower of both. */
  memcpyRate(message: number, footprint: number, milliseconds: number): number;
  /** Reads every byte, as fast as memory gives them. */
  sum(bytes: Uint8Array, offset: number, length: number): number;
}

export interface Ring {
  readonly table: Uint32Array;
  send(bytes: Uint8Array): boolean;
  sendBatch(packed: Uint8Array, lengths: Uint32Array, first: number): number;
  close(): void;
}

let addon: LimitsAddon | undefined;

/** Loaded at the first call: native/bench/build.mjs must have run. */
export function limits(): LimitsAddon {
  return (addon ??= createRequire(import.meta.url)(fileURLToPath(new URL('../../../../native/build/bench/limits.node', import.meta.url))));
}

let built: Promise<string | undefined> | undefined;

/** Compiles what native/bench has, once; why that is not possible, where it is not. */
export function buildLimits(): Promise<string | undefined> {
  return (built ??= (async () => {
    const { buildBench } = (await import(new URL('../../../../native/bench/build.mjs', import.meta.url).href)) as {
      buildBench(): Promise<void>;
    };
    try {
      await buildBench();
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  })());
}
