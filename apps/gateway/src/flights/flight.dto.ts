import { IsInt, IsISO8601, IsString, Length, Max, Min } from 'class-validator';

/** A departure, as it is posted and as the event `flight.departed` carries it. */
export class Flight {
  /** The scheduled departure. */
  @IsISO8601()
  date!: string;

  /** Minutes; below zero when it left early. */
  @IsInt()
  @Min(-1_440)
  @Max(14_400)
  delay!: number;

  /** Miles. */
  @IsInt()
  @Min(0)
  distance!: number;

  /** IATA code. */
  @IsString()
  @Length(3, 3)
  origin!: string;

  /** IATA code. */
  @IsString()
  @Length(3, 3)
  destination!: string;
}
