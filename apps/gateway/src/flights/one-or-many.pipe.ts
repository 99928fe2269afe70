import { Injectable, type PipeTransform } from '@nestjs/common';

/** Lets a body be one object or an array of them. */
@Injectable()
export class OneOrManyPipe implements PipeTransform {
  transform(value: unknown): unknown[] {
    return Array.isArray(value) ? value : [value];
  }
}
