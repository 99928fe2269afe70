import { type Check, LONGEST_DELAY, refuse } from './checks.js';

const FIRST_DELAY = 100;
const LONGEST_DEFAULT = 5_000;

/** 100 ms after the first attempt, doubled with each, at most 5 s. */
export function defaultRetryDelay(attempt: number): number {
  return Math.min(FIRST_DELAY * 2 ** (attempt - 1), LONGEST_DEFAULT);
}

/** A user's function is called again and again; what it returns out of range, or throws, cannot be refused at construction and counts as the default. */
export const retryDelay: Check<(attempt: number) => number> = (value, name) => {
  if (value === undefined) {
    return defaultRetryDelay;
  }
  if (isDelay(value)) {
    return () => value;
  }
  if (typeof value !== 'function') {
    refuse(name, value, `0 to ${LONGEST_DELAY} milliseconds, or a function that returns them`);
  }
  return (attempt) => {
    let delay: unknown;
    try {
      delay = value(attempt);
    } catch {
      // The event must come back in any case.
    }
    return isDelay(delay) ? delay : defaultRetryDelay(attempt);
  };
};

function isDelay(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= LONGEST_DELAY;
}
