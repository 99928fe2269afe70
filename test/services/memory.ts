/** Milliseconds between two looks. */
const INTERVAL = 10;

/** The most memory this process uses from now on, over what it uses now. */
export class Peak {
  private readonly before = process.memoryUsage.rss();
  private most = this.before;
  private readonly timer = setInterval(() => this.look(), INTERVAL).unref();

  /** Bytes until now. */
  growth(): number {
    this.look();
    return this.most - this.before;
  }

  end(): number {
    clearInterval(this.timer);
    return this.growth();
  }

  private look(): void {
    this.most = Math.max(this.most, process.memoryUsage.rss());
  }
}
