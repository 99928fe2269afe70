import { RsmClient } from 'nestjs-rsm';
import { firstValueFrom } from 'rxjs';
import { eventually } from './eventually.js';

/** A well-behaved client that asks without pause, so that whatever disturbs it is noticed. */
export class Companion {
  private readonly client: RsmClient;
  private readonly failures: string[] = [];
  private rounds = 0;
  private going = true;
  private loop: Promise<void> | undefined;

  constructor(service: string, directory: string) {
    this.client = new RsmClient({ service, directory });
  }

  async start(): Promise<this> {
    await this.client.connect();
    this.loop = this.ask();
    return this;
  }

  /** Resolves when it has been answered `count` times more; rejects if it ever was not answered rightly, or lost its connection. */
  async undisturbed(count = 5): Promise<void> {
    const before = this.rounds;
    await eventually(() => {
      if (this.failures.length > 0) throw new Error(`The well-behaved client was disturbed: ${this.failures.join('; ')}`);
      if (this.rounds < before + count) throw new Error(`Only ${this.rounds - before} of ${count} answers to the well-behaved client`);
    });
  }

  async close(): Promise<void> {
    this.going = false;
    await this.loop;
    await this.client.close();
  }

  private async ask(): Promise<void> {
    while (this.going) {
      const question = { number: this.rounds, text: `well-behaved ${this.rounds}` };
      try {
        const answer: unknown = await firstValueFrom(this.client.send('echo', question));
        if (JSON.stringify(answer) !== JSON.stringify(question))
          this.failures.push(`${JSON.stringify(answer)} for ${JSON.stringify(question)}`);
      } catch (error) {
        this.failures.push(String(error));
      }
      this.rounds++;
      // Not without pause: the machine has other work.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}
