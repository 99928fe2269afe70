import { Body, Controller, Get, HttpCode, Inject, ParseArrayPipe, Post, Query, Res, UseFilters } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import type { Response } from 'express';
import { lastValueFrom, merge } from 'rxjs';
import { RemoteErrorFilter, toHttpException } from '../remote-error.filter.js';
import { DELAYS, LOOKUPS } from '../transport.js';
import { FlightsQuery } from './flights-query.dto.js';
import { Flight } from './flight.dto.js';
import { OneOrManyPipe } from './one-or-many.pipe.js';

@Controller('flights')
@UseFilters(RemoteErrorFilter)
export class FlightsController {
  constructor(
    @Inject(DELAYS) private readonly delays: ClientProxy,
    @Inject(LOOKUPS) private readonly lookups: ClientProxy,
  ) {}

  /** Streams flights as they are found, one JSON object a line. Who hangs up cancels the query. */
  @Get()
  query(@Query() query: FlightsQuery, @Res() response: Response): void {
    response.type('application/x-ndjson');
    const answer = this.lookups.send<Flight[]>('flights.query', query).subscribe({
      next: (flights) => response.write(flights.map((flight) => `${JSON.stringify(flight)}\n`).join('')),
      error: (error) => {
        if (response.headersSent) {
          // The status is gone; a broken answer is the one way left to say that it is not whole.
          response.destroy();
          return;
        }
        const exception = toHttpException(error);
        response.status(exception.getStatus()).json(exception.getResponse());
      },
      complete: () => response.end(),
    });
    response.once('close', () => answer.unsubscribe());
  }

  /** Emits an event for each flight and answers when all are on their way. */
  @Post()
  @HttpCode(202)
  async departed(@Body(OneOrManyPipe, new ParseArrayPipe({ items: Flight, whitelist: true })) flights: Flight[]): Promise<object> {
    const emits = flights.map((flight) => this.delays.emit('flight.departed', flight));
    await lastValueFrom(merge(...emits), { defaultValue: undefined });
    return { accepted: flights.length };
  }
}
