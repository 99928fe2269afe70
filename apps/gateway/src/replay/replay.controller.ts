import { Controller, Get, Post, Query, UseFilters } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';
import { RemoteErrorFilter } from '../remote-error.filter.js';
import { type ReplayProgress, type ReplayResult, ReplayService } from './replay.service.js';

class ReplayQuery {
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(3_000_000)
  count = 10_000;
}

@Controller('replay')
@UseFilters(RemoteErrorFilter)
export class ReplayController {
  constructor(private readonly replays: ReplayService) {}

  @Post()
  replay(@Query() { count }: ReplayQuery): Promise<ReplayResult> {
    return this.replays.replay(count);
  }

  @Get()
  progress(): ReplayProgress {
    return this.replays.progress();
  }
}
