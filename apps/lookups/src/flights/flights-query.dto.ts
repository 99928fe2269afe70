import { IsInt, IsOptional, IsString, Length, Max, Min } from 'class-validator';

/** The payload of `flights.query`. */
export class FlightsQuery {
  /** IATA code; without it, flights from everywhere. */
  @IsOptional()
  @IsString()
  @Length(3, 3)
  origin?: string;

  /** Row of the file to begin at. */
  @IsOptional()
  @IsInt()
  @Min(0)
  first = 0;

  /** Flights to answer at most. */
  @IsInt()
  @Min(1)
  @Max(300_000)
  limit!: number;

  /** Flights in each value of the answer. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(10_000)
  chunk = 500;
}
