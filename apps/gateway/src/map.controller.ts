import { Controller, Get, Inject, StreamableFile, UseFilters } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import { RemoteErrorFilter } from './remote-error.filter.js';
import { LOOKUPS } from './transport.js';

@Controller('map')
@UseFilters(RemoteErrorFilter)
export class MapController {
  constructor(@Inject(LOOKUPS) private readonly lookups: ClientProxy) {}

  /** Passes the map on as it came, unparsed. */
  @Get()
  async map(): Promise<StreamableFile> {
    const raw = await firstValueFrom(this.lookups.send<Buffer>('map.raw', {}));
    // Over segments this is a Buffer already; over Nest's TCP transport it is the JSON form of one.
    return new StreamableFile(Buffer.isBuffer(raw) ? raw : Buffer.from(raw), { type: 'application/json' });
  }
}
