import { Controller, Module } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expose } from './fixture/fixture.js';
import { mapFile } from './fixture/map-file.js';
import { serve } from './fixture/serve.js';

const MAP = mapFile(import.meta.url);
const events: unknown[] = [];

@Controller()
class PayloadsController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown) {
    return data;
  }

  /** What arrived, as seen from here: text that no codec can change on its way back. */
  @MessagePattern('describe')
  describe(@Payload() data: unknown) {
    return JSON.stringify(describe(data));
  }

  @MessagePattern('map')
  map() {
    return JSON.parse(readFileSync(MAP, 'utf8')) as object;
  }

  @MessagePattern('map-bytes')
  mapBytes() {
    return readFileSync(MAP);
  }

  @EventPattern('event')
  event(@Payload() data: unknown) {
    events.push(data);
  }
}

function describe(value: unknown): unknown {
  if (value instanceof Date) {
    return `Date ${value.toISOString()}`;
  }
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return `${value.constructor.name} ${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`;
  }
  if (value instanceof ArrayBuffer) {
    return `ArrayBuffer ${value.byteLength} ${createHash('sha256').update(Buffer.from(value)).digest('hex')}`;
  }
  if (Array.isArray(value)) {
    return value.map(describe);
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, property]) => [key, describe(property)]));
  }
  return `${typeof value} ${String(value)}`;
}

@Module({ controllers: [PayloadsController] })
class PayloadsModule {}

expose({ events: () => events });
await serve(PayloadsModule, { server: { service: 'payloads' } });
