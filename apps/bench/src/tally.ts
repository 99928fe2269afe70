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
  private target = Infinity;
  private fault: string | undefined;
  private reached: (() => void) | undefined;

  /** The next event must have this number. */
  reset(first: number): void {
    this.first = this.next = first;
    this.target = Infinity;
    this.fault = undefined;
  }

  /** NaN: the event's content was wrong. */
  add(number: number): void {
    if (number !== this.next) {
      this.fault ??= `event ${Number.isNaN(number) ? 'with changed content' : number} came where ${this.next} was expected`;
    }
    if (++this.next === this.target) this.reached?.();
  }

  /** Resolves when `count` events have come since reset(), or when no more come. */
  async reach(count: number): Promise<TallyResult> {
    this.target = this.first + count;
    let timer: NodeJS.Timeout | undefined;
    if (this.next < this.target) {
      await new Promise<void>((resolve) => {
        this.reached = resolve;
        let seen = this.next;
        timer = setInterval(() => {
          if (this.next === seen) resolve();
          seen = this.next;
        }, PATIENCE);
      });
      clearInterval(timer);
      this.reached = undefined;
    }
    return { handled: this.next - this.first, fault: this.fault };
  }
}

/** Throws unless all events arrived, once, in order and unchanged. */
export function checkTally({ handled, fault }: TallyResult, sent: number): void {
  if (fault) throw new Error(`Of ${sent} events sent, ${handled} arrived: ${fault}.`);
  if (handled !== sent) throw new Error(`${sent} events were sent, ${handled} arrived.`);
}
