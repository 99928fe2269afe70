/** Puts off what users are told while messages that were accepted earlier are sent on: they may send at once, and that must come behind all of these. */
export class Afterwards {
  private told: (() => void)[] | undefined;

  /** Runs `send`, then what was put off meanwhile. */
  during(send: () => void): void {
    if (this.told !== undefined) {
      send();
      return;
    }
    const told: (() => void)[] = (this.told = []);
    try {
      send();
    } finally {
      this.told = undefined;
      told.forEach((tell) => tell());
    }
  }

  /** At once where nothing is being sent. */
  tell(tell: () => void): void {
    if (this.told === undefined) {
      tell();
    } else {
      this.told.push(tell);
    }
  }
}
