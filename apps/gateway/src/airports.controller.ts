import { Controller, Get, Inject, Param, UseFilters } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import type { Observable } from 'rxjs';
import { RemoteErrorFilter } from './remote-error.filter.js';
import { LOOKUPS } from './transport.js';

@Controller('airports')
@UseFilters(RemoteErrorFilter)
export class AirportsController {
  constructor(@Inject(LOOKUPS) private readonly lookups: ClientProxy) {}

  @Get(':code')
  byCode(@Param('code') code: string): Observable<object> {
    return this.lookups.send('airport.byCode', code.toUpperCase());
  }
}
