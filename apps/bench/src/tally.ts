/** Milliseconds without a new event after which the rest is taken for lost. */
const PATIENCE = 10_000;

export interface TallyResult {
  /** Events that arrived, each the one after its predecessor. */
  handled: number;
  /** The first event that was not: which number came instead of which. */
  fault?: string;
}

/** The receiver's book of events: counts those that arrive unchanged and in order. */
export class Tally {
  private first = 0;
  private next = 0;
  private count = 0;
  private target = Infinity;
  private fault: string | undefined;
  /** Of events that may come in any order: those that came. */
  private seen: Set<number> | undefined;
  private reached: (() => void) | undefined;

  /** The next event must have this number. `ordered`: false where the transport promises no order; each must come once all the same. */
  reset(first: number, ordered = true): void {
    this.first = this.next = first;
    this.count = 0;
    this.seen = ordered ? undefined : new Set();
    this.target = Infinity;
    this.fault = undefined;
  }

  /** NaN: the event's content was wrong. */
  add(number: number): void {
    if (this.seen) this.addUnordered(number, this.seen);
    else if (number !== this.next) this.fail(number, `where ${this.next} was expected`);
    this.next++;
    if (++this.count === this.target) this.reached?.();
  }

  private addUnordered(number: number, seen: Set<number>): void {
    if (!(number >= this.first) || seen.has(number)) this.fail(number, 'twice, or was not sent');
    seen.add(number);
  }

  private fail(number: number, how: string): void {
    this.fault ??= `event ${Number.isNaN(number) ? 'with changed content' : number} came ${how}`;
  }

  /** Resolves when `count` events have come since reset(), or when no more come. */
  async reach(count: number): Promise<TallyResult> {
    this.target = count;
    let timer: NodeJS.Timeout | undefined;
    if (this.count < this.target) {
      await new Promise<void>((resolve) => {
        this.reached = resolve;
        let seen = this.count;
        timer = setInterval(() => {
          if (this.count === seen) resolve();
          seen = this.count;
        }, PATIENCE);
      });
      clearInterval(timer);
      this.reached = undefined;
    }
    return { handled: this.count, fault: this.fault };
  }
}

/** Throws unless all events arrived, once, in order and unchanged. */
export function checkTally({ handled, fault }: TallyResult, sent: number): void {
  if (fault) throw new Error(`Of ${sent} events sent, ${handled} arrived: ${fault}.`);
  if (handled !== sent) throw new Error(`${sent} events were sent, ${handled} arrived.`);
}
