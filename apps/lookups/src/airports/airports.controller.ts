import { Controller } from '@nestjs/common';
import { MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import type { Airport } from './airport.js';
import { AirportsService } from './airports.service.js';

@Controller()
export class AirportsController {
  constructor(private readonly airports: AirportsService) {}

  @MessagePattern('airport.byCode')
  byCode(@Payload() code: string): Airport {
    const airport = this.airports.find(code);
    if (!airport) {
      throw new RpcException({ code: 'NOT_FOUND', message: `there is no airport ${code}` });
    }
    return airport;
  }
}
