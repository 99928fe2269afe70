import { readFileSync } from 'node:fs';
import { Controller } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { dataFile } from '../data-file.js';

/** The map of the United States (TopoJSON, 642 kB): one large message. */
@Controller()
export class MapController {
  private readonly bytes = readFileSync(dataFile('us-10m.json'));
  private readonly map: object = JSON.parse(this.bytes.toString('utf8'));

  /** The map as an object. */
  @MessagePattern('map.us')
  us(): object {
    return this.map;
  }

  /** The file's bytes, for those who only pass them on. */
  @MessagePattern('map.raw')
  raw(): Buffer {
    return this.bytes;
  }
}
