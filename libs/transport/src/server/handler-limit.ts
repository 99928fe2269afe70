/** Something that waits for its turn at a handler. */
export interface Parked {
  /** It was given up meanwhile and is to be passed over. */
  readonly dropped: boolean;
  /** Its turn has come; one place of the limit is taken for it. */
  startParked(): void;
  /** Gives it back to its living sender, if it can be: the server drains. */
  returnUnstarted(): void;
}

/** So many that were given up may stay in the queue. */
const FEW = 64;

/** How many messages of one handler run at once (`extras.concurrency`), and the queue of those beyond, in order. */
export class HandlerLimit {
  private running = 0;
  private waiting: Parked[] = [];
  private next = 0;
  /** Of those that wait, the ones that were given up. */
  private dropped = 0;
  private pumping = false;

  constructor(private readonly most: number) {}

  /** Takes a place if one is free and nobody waits for it. */
  enter(): boolean {
    if (this.running >= this.most || this.next < this.waiting.length) {
      return false;
    }
    this.running++;
    return true;
  }

  park(parked: Parked): void {
    this.waiting.push(parked);
  }

  /** Gives a place back; the next in the queue starts. */
  leave(): void {
    this.running--;
    if (this.pumping) {
      return; // a handler that ended at once: the loop below goes on with its place
    }
    this.pumping = true;
    while (this.running < this.most && this.next < this.waiting.length) {
      const parked = this.shift();
      if (parked.dropped) {
        this.dropped = Math.max(this.dropped - 1, 0);
      } else {
        this.running++;
        parked.startParked();
      }
    }
    this.pumping = false;
  }

  /** One that waits was given up. Peers decide how many: they are not kept beside those that still wait. */
  forgetDropped(): void {
    this.dropped++;
    if (this.dropped >= FEW && this.dropped * 2 > this.waiting.length - this.next) {
      this.waiting = this.parked();
      this.next = 0;
      this.dropped = 0;
    }
  }

  /** Those that wait, in order. They stay in the queue. */
  parked(): Parked[] {
    return this.waiting.slice(this.next).filter((parked) => !parked.dropped);
  }

  private shift(): Parked {
    const parked = this.waiting[this.next++]!;
    if (this.next === this.waiting.length) {
      this.waiting = [];
      this.next = 0;
    } else if (this.next >= 1_024 && this.next * 2 >= this.waiting.length) {
      this.waiting = this.waiting.slice(this.next);
      this.next = 0;
    }
    return parked;
  }
}
