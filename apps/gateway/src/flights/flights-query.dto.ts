import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Length, Max, Min } from 'class-validator';

export class FlightsQuery {
  @IsOptional()
  @IsString()
  @Length(3, 3)
  origin?: string;

  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(300_000)
  limit = 100;
}
