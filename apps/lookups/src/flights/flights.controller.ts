import { Controller, UsePipes, ValidationPipe } from '@nestjs/common';
import { MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { from, type Observable } from 'rxjs';
import type { Flight } from './flight.js';
import { FlightsQuery } from './flights-query.dto.js';
import { FlightsService } from './flights.service.js';

@Controller()
export class FlightsController {
  constructor(private readonly flights: FlightsService) {}

  /** An answer of many values, each an array of flights. */
  @MessagePattern('flights.query')
  @UsePipes(
    new ValidationPipe({
      transform: true,
      exceptionFactory: (errors) => new RpcException({ code: 'INVALID', message: errors.join('; ') }),
    }),
  )
  query(@Payload() query: FlightsQuery): Observable<Flight[]> {
    return from(this.flights.query(query));
  }
}
