import { Module } from '@nestjs/common';
import { DelaysController } from './delays.controller.js';
import { DelaysService } from './delays.service.js';

@Module({
  controllers: [DelaysController],
  providers: [DelaysService],
})
export class DelaysModule {}
