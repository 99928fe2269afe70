/** A client in a process of its own that borrows memory of its service, and is killed with it in its hands. */
import { RsmClient, type RsmLoan } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { expose, onStop, ready } from './fixture/fixture.js';

const client = new RsmClient({ service: 'zero-copy', connectTimeout: 45_000 });
const loans: RsmLoan[] = [];

onStop(() => client.close());
expose({
  async borrow(size: number) {
    const loan = await client.loan(size);
    loan.buffer.fill(7);
    loans.push(loan);
    return loan.buffer.length;
  },
  emit: (pattern: string) => lastValueFrom(client.emit(pattern, loans.shift()!), { defaultValue: undefined }),
  ask: (pattern: string) => lastValueFrom(client.send(pattern, loans.shift()!)),
});
ready();
