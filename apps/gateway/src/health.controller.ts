import { Controller, Get, Inject, ServiceUnavailableException } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import { timeout } from 'rxjs/operators';
import { DELAYS, GATEWAY, LOOKUPS } from './transport.js';

@Controller('health')
export class HealthController {
  constructor(
    @Inject(DELAYS) private readonly delays: ClientProxy,
    @Inject(LOOKUPS) private readonly lookups: ClientProxy,
    @Inject(GATEWAY) private readonly gateway: ClientProxy,
  ) {}

  /** Asks each service something small; 503 names those that do not answer within two seconds. */
  @Get()
  async health(): Promise<Record<string, string>> {
    const [delays, lookups, gateway] = await Promise.all([
      this.ask(this.delays, 'delays.totals', {}),
      this.ask(this.lookups, 'airport.byCode', 'SFO'),
      this.ask(this.gateway, 'gateway.ping', {}),
    ]);
    const health = { delays, lookups, gateway };
    if (Object.values(health).some((answer) => answer !== 'up')) {
      throw new ServiceUnavailableException(health);
    }
    return health;
  }

  private async ask(client: ClientProxy, pattern: string, payload: unknown): Promise<string> {
    try {
      await firstValueFrom(client.send(pattern, payload).pipe(timeout(2_000)));
      return 'up';
    } catch (error) {
      return `down: ${error instanceof Error ? error.message : JSON.stringify(error)}`;
    }
  }
}
