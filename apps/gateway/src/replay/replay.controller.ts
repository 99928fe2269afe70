import { Controller, Get, HttpCode, Post, Query, UseFilters } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { RemoteErrorFilter } from '../remote-error.filter.js';
import { type ReplayProgress, type ReplayResult, ReplayService } from './replay.service.js';

class ReplayQuery {
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(3_000_000)
  count = 10_000;

  /** After so many flights it waits for POST /replay/resume. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  pauseAfter?: number;
}

@Controller('replay')
@UseFilters(RemoteErrorFilter)
export class ReplayController {
  constructor(private readonly replays: ReplayService) {}

  @Post()
  replay(@Query() { count, pauseAfter }: ReplayQuery): Promise<ReplayResult> {
    return this.replays.replay(count, pauseAfter);
  }

  @Post('resume')
  @HttpCode(204)
  resume(): void {
    this.replays.resume();
  }

  @Get()
  progress(): ReplayProgress {
    return this.replays.progress();
  }
}
