import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './machine.js';
import type { Settings } from './options.js';
import { type Absence, type ResultRow, Results } from './results.js';

/** Raised when the file's fields change their meaning. */
const FORMAT = 2;

/** What is kept of a run. */
export interface ResultFile {
  readonly format: number;
  readonly startedAt: string;
  readonly machine: Machine;
  readonly settings: Settings;
  readonly rows: ResultRow[];
  readonly absences: Absence[];
}

/** Writes everything measured as JSON and returns the file's path. */
export function writeResults(folder: string, startedAt: Date, machine: Machine, settings: Settings, results: Results): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${startedAt.toISOString().replaceAll(':', '-')}.json`);
  const { rows, absences } = results;
  const content: ResultFile = { format: FORMAT, startedAt: startedAt.toISOString(), machine, settings, rows, absences };
  writeFileSync(path, `${JSON.stringify(content, undefined, 2)}\n`);
  return path;
}

/** Reads what writeResults() wrote. Throws where the file has another format. */
export function readResults(path: string): ResultFile {
  const content = JSON.parse(readFileSync(path, 'utf8')) as ResultFile;
  if (content.format !== FORMAT) throw new Error(`${path} has format ${content.format}, not ${FORMAT}: measure again.`);
  return content;
}

/** The file of the last run. Throws where there is none. */
export function newestResults(folder: string): string {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  if (names.length === 0) throw new Error(`No results are kept in ${folder}: run the benchmark first.`);
  return join(folder, names.sort().at(-1)!);
}

export function resultsOf({ rows, absences }: ResultFile): Results {
  const results = new Results(rows);
  results.absences.push(...absences);
  return results;
}
