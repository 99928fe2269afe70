/** Keys remembered; a client that uses more may see those unused for longest move when an instance comes. */
const MOST_KEYS = 65_536;

/** Which instance the messages of a key go to, by its identity: keys stay where they are when other instances come. */
export class KeyHomes {
  /** Those used last stand last. */
  private readonly homes = new Map<string, string>();

  get(key: string): string | undefined {
    const home = this.homes.get(key);
    if (home !== undefined) {
      this.homes.delete(key);
      this.homes.set(key, home);
    }
    return home;
  }

  set(key: string, identity: string): void {
    this.homes.delete(key);
    this.homes.set(key, identity);
    if (this.homes.size > MOST_KEYS) {
      const [oldest] = this.homes.keys();
      this.homes.delete(oldest!);
    }
  }
}
