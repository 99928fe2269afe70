import { Controller, Get, Inject, Query, UseFilters } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { Type } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';
import { firstValueFrom } from 'rxjs';
import { RemoteErrorFilter } from './remote-error.filter.js';
import { DELAYS, LOOKUPS } from './transport.js';

class TopQuery {
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  n = 10;

  /** Airports with fewer flights are left out: their mean says little. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  minimumFlights = 1;
}

interface AirportDelays {
  origin: string;
  flights: number;
  delayed: number;
  totalDelay: number;
  meanDelay: number;
}

/** Asks two services and joins their answers. */
@Controller('delays')
@UseFilters(RemoteErrorFilter)
export class DelaysController {
  constructor(
    @Inject(DELAYS) private readonly delays: ClientProxy,
    @Inject(LOOKUPS) private readonly lookups: ClientProxy,
  ) {}

  @Get('top')
  async top(@Query() query: TopQuery): Promise<object[]> {
    const airports = await firstValueFrom(this.delays.send<AirportDelays[]>('delays.top', query));
    return Promise.all(
      airports.map(async (airport) => {
        const { name, city, state } = await firstValueFrom(
          this.lookups.send<Record<'name' | 'city' | 'state', string>>('airport.byCode', airport.origin),
        );
        return { ...airport, name, city, state };
      }),
    );
  }

  @Get('totals')
  totals(): Promise<object> {
    return firstValueFrom(this.delays.send('delays.totals', {}));
  }
}
