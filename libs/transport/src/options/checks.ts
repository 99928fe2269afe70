import { inspect } from 'node:util';
import { checkInteger, RsmError } from '@nestjs-rsm/segments';

/** Returns the option's value, or its default for undefined. Throws RSM_INVALID_OPTIONS naming option, value and what is allowed. */
export type Check<T> = (value: unknown, name: string) => T;

/** The longest delay a Node.js timer takes, milliseconds. */
export const LONGEST_DELAY = 2 ** 31 - 1;

export function refuse(name: string, value: unknown, allowed: string): never {
  const shown = inspect(value, { depth: 1, maxStringLength: 120, maxArrayLength: 8, breakLength: Infinity });
  throw new RsmError('RSM_INVALID_OPTIONS', `Option ${name} is ${shown}; allowed: ${allowed}.`);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function integer(min: number, max: number, fallback: number): Check<number> {
  return (value, name) => checkInteger(name, value, min, max, fallback);
}

/** Milliseconds for a timer; 0: at once. */
export function delay(fallback: number): Check<number> {
  return integer(0, LONGEST_DELAY, fallback);
}

/** Undefined stays: the default is another package's. */
export function integerOrUndefined(min: number, max: number): Check<number | undefined> {
  return (value, name) => (value === undefined ? undefined : checkInteger(name, value, min, max, min));
}

export function integerOrInfinity(min: number, fallback: number): Check<number> {
  return (value, name) => {
    if (value === undefined || value === Infinity) {
      return value ?? fallback;
    }
    if (!Number.isSafeInteger(value) || (value as number) < min) {
      refuse(name, value, `a whole number from ${min}, or Infinity`);
    }
    return value as number;
  };
}

export function oneOf<T extends string>(values: readonly T[], fallback: T): Check<T> {
  return (value, name) => {
    if (value !== undefined && !values.includes(value as T)) {
      refuse(name, value, values.map((known) => `'${known}'`).join(', '));
    }
    return (value ?? fallback) as T;
  };
}

export function boolean(fallback: boolean): Check<boolean> {
  return (value, name) => {
    if (value !== undefined && typeof value !== 'boolean') {
      refuse(name, value, 'true, false');
    }
    return (value as boolean | undefined) ?? fallback;
  };
}

export function optionalFunction<T extends (...parameters: never[]) => unknown>(): Check<T | undefined> {
  return (value, name) => {
    if (value !== undefined && typeof value !== 'function') {
      refuse(name, value, 'a function');
    }
    return value as T | undefined;
  };
}

/** An object (of any class) that has the method. */
export function optionalWithMethod<T extends object>(method: keyof T & string): Check<T | undefined> {
  return (value, name) => {
    if (value !== undefined && typeof (value as Record<string, unknown> | null)?.[method] !== 'function') {
      refuse(name, value, `an object with a method ${method}()`);
    }
    return value as T | undefined;
  };
}

const HIGHEST_ID = 0xffff_fffe;
const MOST_IDS = 1024;

export const allow: Check<{ uids: number[]; gids: number[] }> = (value, name) => {
  if (value !== undefined && !isObject(value)) {
    refuse(name, value, 'an object { uids, gids }');
  }
  const lists: Record<string, unknown> = value ?? {};
  for (const key of Object.keys(lists)) {
    if (key !== 'uids' && key !== 'gids') {
      refuse(name, value, `an object { uids, gids }, without ${key}`);
    }
  }
  return { uids: ids(`${name}.uids`, lists['uids']), gids: ids(`${name}.gids`, lists['gids']) };
};

function ids(name: string, value: unknown): number[] {
  if (value === undefined) {
    return [];
  }
  const valid =
    Array.isArray(value) && value.length <= MOST_IDS && value.every((id) => Number.isInteger(id) && id >= 0 && id <= HIGHEST_ID);
  if (!valid) {
    refuse(name, value, `a list of at most ${MOST_IDS} numeric ids from 0 to ${HIGHEST_ID}`);
  }
  return [...(value as number[])];
}
