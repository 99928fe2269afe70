import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** What a process has open and mapped. */
export interface Residue {
  /** The lowest free descriptor: it rises where one was leaked, whatever its kind. */
  lowest: number;
  /** Open descriptors by kind. */
  descriptors: Record<string, number>;
  /** Mappings of memfds. */
  regions: number;
  /** Mappings of native addons. */
  addons: number;
}

export function residue(): Residue {
  const lowest = openSync('/dev/null', 'r');
  closeSync(lowest);
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return {
    lowest,
    descriptors: descriptors(),
    regions: maps.filter((line) => line.includes('memfd:')).length,
    addons: maps.filter((line) => line.includes('.node')).length,
  };
}

/** `socket:[…]` and `pipe:[…]` without their numbers. */
function descriptors(): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const name of readdirSync('/proc/self/fd')) {
    let target: string;
    try {
      target = readlinkSync(join('/proc/self/fd', name));
    } catch {
      continue; // that of the listing itself
    }
    const kind = target.replace(/:?\[.*\]$/, '');
    if (!kind.startsWith('/proc/')) {
      kinds[kind] = (kinds[kind] ?? 0) + 1;
    }
  }
  return kinds;
}
