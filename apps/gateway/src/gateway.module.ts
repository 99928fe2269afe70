import { Module } from '@nestjs/common';
import { ClientsModule } from '@nestjs/microservices';
import { AirportsController } from './airports.controller.js';
import { DelaysController } from './delays.controller.js';
import { FlightsController } from './flights/flights.controller.js';
import { HealthController } from './health.controller.js';
import { MapController } from './map.controller.js';
import { MeasureController } from './measure/measure.controller.js';
import { MeasureService } from './measure/measure.service.js';
import { PingController } from './ping.controller.js';
import { ReplayController } from './replay/replay.controller.js';
import { ReplayService } from './replay/replay.service.js';
import { TablesController } from './tables.controller.js';
import { transport } from './transport.js';

@Module({
  imports: [ClientsModule.register(transport.clients)],
  controllers: [
    AirportsController,
    DelaysController,
    FlightsController,
    HealthController,
    MapController,
    MeasureController,
    PingController,
    ReplayController,
    TablesController,
  ],
  providers: [MeasureService, ReplayService],
})
export class GatewayModule {}
