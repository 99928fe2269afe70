import { Controller, Get, Inject, NotFoundException } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import type { Connector } from '@nestjs-rsm/segments';
import { RsmClient } from 'nestjs-rsm';
import { DELAYS, LOOKUPS } from './transport.js';

@Controller('tables')
export class TablesController {
  constructor(
    @Inject(DELAYS) private readonly delays: ClientProxy,
    @Inject(LOOKUPS) private readonly lookups: ClientProxy,
  ) {}

  /** The segment tables and segment group tables of the gateway's clients: what memory there is, and what it has carried. */
  @Get()
  tables(): object {
    return { delays: this.tablesOf(this.delays), lookups: this.tablesOf(this.lookups) };
  }

  private tablesOf(client: ClientProxy): object {
    if (!(client instanceof RsmClient)) {
      throw new NotFoundException('there are no segments: this gateway runs over TCP');
    }
    const connector = client.unwrap<Connector>();
    return { segments: connector.segmentTable(), groups: connector.segmentGroupTable() };
  }
}
