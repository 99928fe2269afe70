import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Flight } from './flight.js';

/** What has to be known of a flight to count it again. */
export type CountedFlight = Pick<Flight, 'sequence' | 'origin' | 'delay'>;

/**
 * What the service has counted, outside of its memory: a file to which each flight is appended, one JSON array a line, before its event is finished.
 *
 * A line that was written outlives the process, however it ends: the operating system has it. It does not outlive the machine; a service
 * that must survive a power failure calls fsync as well, once for several events.
 */
export class Journal {
  private readonly file: number;

  /** Opens the journal at `path`, or begins it. Throws what the file system says. */
  constructor(private readonly path: string) {
    this.file = openSync(path, 'a');
  }

  /** One write. Throws when it was not possible: the flight is then not to be counted. */
  append({ sequence, origin, delay }: CountedFlight): void {
    writeSync(this.file, `${JSON.stringify([sequence ?? null, origin, delay])}\n`);
  }

  /** What has been appended so far, by this process and those before it. A last line cut short by the end of its writer is removed. */
  read(): CountedFlight[] {
    const text = readFileSync(this.path);
    const whole = text.lastIndexOf('\n') + 1;
    ftruncateSync(this.file, whole);
    const lines = text.toString('utf8', 0, whole).split('\n').slice(0, -1);
    return lines.map((line) => {
      const [sequence, origin, delay] = JSON.parse(line) as [number | null, string, number];
      return { sequence: sequence ?? undefined, origin, delay };
    });
  }

  /** Forgets everything. */
  clear(): void {
    ftruncateSync(this.file, 0);
  }

  close(): void {
    closeSync(this.file);
  }
}
