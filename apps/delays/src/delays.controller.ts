import { Controller } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { type AirportDelays, DelaysService, type Totals } from './delays.service.js';
import type { Flight } from './flight.js';

interface TopQuery {
  n?: number;
  minimumFlights?: number;
}

interface TotalsQuery {
  /** How many numbered flights should have arrived: the answer names those that have not. */
  expected?: number;
}

@Controller()
export class DelaysController {
  constructor(private readonly delays: DelaysService) {}

  @EventPattern('flight.departed')
  departed(@Payload() flight: Flight): void {
    this.delays.add(flight);
  }

  @MessagePattern('delays.top')
  top(@Payload() { n = 10, minimumFlights = 1 }: TopQuery): AirportDelays[] {
    return this.delays.top(n, minimumFlights);
  }

  @MessagePattern('delays.totals')
  totals(@Payload() { expected }: TotalsQuery): Totals {
    return this.delays.totals(expected);
  }

  @MessagePattern('delays.reset')
  reset(): Totals {
    this.delays.reset();
    return this.delays.totals();
  }
}
