import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './machine.js';
import type { Settings } from './options.js';
import type { Results } from './results.js';

/** Raised when the file's fields change their meaning. */
const FORMAT = 2;

/** Writes everything measured as JSON and returns the file's path. */
export function writeResults(folder: string, startedAt: Date, machine: Machine, settings: Settings, results: Results): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${startedAt.toISOString().replaceAll(':', '-')}.json`);
  const content = { format: FORMAT, startedAt: startedAt.toISOString(), machine, settings, rows: results.rows, absences: results.absences };
  writeFileSync(path, `${JSON.stringify(content, undefined, 2)}\n`);
  return path;
}
