import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Milliseconds between two tries. Default: 20. */
  every?: number;
  /** Milliseconds after which the last failure counts. Long by default (40,000): a slow machine is no failure. */
  within?: number;
}

/** Tries `assertion` again and again until it does not throw; returns what it returned. */
export async function eventually<T>(assertion: () => T | Promise<T>, { every = 20, within = 40_000 }: EventuallyOptions = {}): Promise<T> {
  const end = performance.now() + within;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (performance.now() > end) {
        throw error;
      }
    }
    await sleep(every);
  }
}
