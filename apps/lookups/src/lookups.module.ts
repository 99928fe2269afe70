import { Module } from '@nestjs/common';
import { AirportsController } from './airports/airports.controller.js';
import { AirportsService } from './airports/airports.service.js';
import { FlightsController } from './flights/flights.controller.js';
import { FlightsService } from './flights/flights.service.js';
import { MapController } from './map/map.controller.js';

@Module({
  controllers: [AirportsController, FlightsController, MapController],
  providers: [AirportsService, FlightsService],
})
export class LookupsModule {}
