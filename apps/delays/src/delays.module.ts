import { Module } from '@nestjs/common';
import { DelaysController } from './delays.controller.js';
import { DelaysService } from './delays.service.js';
import { Journal } from './journal.js';

/** Where to keep what was counted, for a successor. Not set: in memory only. */
const JOURNAL = process.env.DELAYS_JOURNAL;

@Module({
  controllers: [DelaysController],
  providers: [DelaysService, ...(JOURNAL ? [{ provide: Journal, useFactory: () => new Journal(JOURNAL) }] : [])],
})
export class DelaysModule {}
