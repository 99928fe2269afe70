import { Controller, Post, Query, UseFilters } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';
import { RemoteErrorFilter } from '../remote-error.filter.js';
import { type Durations, type MapFetch, MeasureService } from './measure.service.js';

class RoundTripsQuery {
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  count = 10_000;
}

class MapQuery {
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(1_000)
  count = 20;
}

@Controller('measure')
@UseFilters(RemoteErrorFilter)
export class MeasureController {
  constructor(private readonly measure: MeasureService) {}

  @Post('round-trips')
  roundTrips(@Query() { count }: RoundTripsQuery): Promise<Durations> {
    return this.measure.roundTrips(count);
  }

  @Post('map')
  map(@Query() { count }: MapQuery): Promise<MapFetch> {
    return this.measure.map(count);
  }
}
