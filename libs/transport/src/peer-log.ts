import type { LoggerService } from '@nestjs/common';

/** Milliseconds between two summaries. */
const INTERVAL = 1_000;
/** Reasons told apart in one interval; a peer can invent more. */
const MOST_REASONS = 16;
/** Of these a summary quotes the most frequent. */
const QUOTED_REASONS = 3;
/** Characters: patterns and names come from peers, at any length. */
const LONGEST_LINE = 1_000;
const LONGEST_QUOTE = 400;
/** What could forge a line or steer a terminal. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

interface Reason {
  /** Since the last summary. */
  repeats: number;
  last: string;
}

/**
 * What peers did wrong, for the log. They can do it without end, so only the first of each reason is logged at once; what follows is counted, and summed up in one
 * line a second at most.
 */
export class PeerLog {
  private readonly reasons = new Map<string, Reason>();
  private others = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly logger: Pick<LoggerService, 'error'>) {}

  /** Messages that differ in numbers and in `names` only have the same reason. */
  report(message: string, ...names: string[]): void {
    const line = clip(message.replace(CONTROL, '?'), LONGEST_LINE);
    const reason = reasonOf(line, names);
    const known = this.reasons.get(reason);
    if (known !== undefined) {
      known.repeats++;
      known.last = line;
    } else if (this.reasons.size < MOST_REASONS) {
      this.reasons.set(reason, { repeats: 0, last: line });
      this.logger.error(line);
    } else {
      this.others++;
    }
    this.timer ??= setTimeout(() => this.sumUp(), INTERVAL).unref();
  }

  /** Logs what has been counted, now. */
  flush(): void {
    clearTimeout(this.timer);
    this.sumUp();
  }

  private sumUp(): void {
    this.timer = undefined;
    const repeated: Reason[] = [];
    let total = this.others;
    for (const [key, reason] of this.reasons) {
      if (reason.repeats === 0) {
        this.reasons.delete(key); // quiet for an interval: the next one is news again
      } else {
        repeated.push({ ...reason });
        total += reason.repeats;
        reason.repeats = 0;
      }
    }
    this.others = 0;
    if (total === 0) {
      return;
    }
    repeated.sort((a, b) => b.repeats - a.repeats);
    const quoted = repeated.slice(0, QUOTED_REASONS).map(({ repeats, last }) => `${repeats} × ${clip(last, LONGEST_QUOTE)}`);
    this.logger.error(`${total} more of what peers did wrong; most often: ${quoted.join(' | ') || 'reasons of many kinds'}`);
    this.timer = setTimeout(() => this.sumUp(), INTERVAL).unref();
  }
}

function reasonOf(line: string, names: readonly string[]): string {
  let reason = line;
  for (const name of names) {
    if (name !== '') {
      reason = reason.replaceAll(name, '…');
    }
  }
  return reason.replace(/\d+/g, '#');
}

function clip(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}… (${text.length} characters)`;
}
