/**
 * What a process of the soak did, in a file of its own: one line for each thing, written with one write() while it happens, so that a kill -9 can take nothing
 * away that had happened before it.
 */
import { existsSync, openSync, readFileSync, writeSync } from 'node:fs';

/** Microseconds since the machine started: the same clock in every process. */
export function microseconds(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

export class Journal {
  private readonly file: number;

  constructor(path: string) {
    this.file = openSync(path, 'a');
  }

  /** Words must not hold spaces, but for the last one. Every line begins with the time. */
  write(...words: (string | number)[]): void {
    writeSync(this.file, `${microseconds()} ${words.join(' ')}\n`);
  }
}

export interface Line {
  /** Microseconds. */
  at: number;
  kind: string;
  words: string[];
}

/** The lines of a journal, none where the process ended before it began one. What follows the last line end was being written when the process was killed. */
export function readJournal(path: string): Line[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  lines.pop();
  return lines.map((line) => {
    const [at, kind, ...words] = line.split(' ');
    return { at: Number(at), kind: kind!, words };
  });
}

/** Milliseconds between two lines about wakes. */
const WAKES_INTERVAL = 500;

/** Writes down, now and then and when called, what a build with wake checks (RSM_NATIVE_ADDON) counts: a killed process has no last word. */
export function journalWakes(journal: Journal, counters: () => Record<string, number>): () => void {
  const write = (): void => {
    const { wakeChecks, missedWakes } = counters();
    if (wakeChecks !== undefined) journal.write('W', wakeChecks, missedWakes!);
  };
  setInterval(write, WAKES_INTERVAL).unref();
  return write;
}
