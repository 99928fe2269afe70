import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { Observable } from 'rxjs';
import type { TallyResult } from '../tally.js';
import { BenchHandlers } from './bench-handlers.js';

/** What a message of the workloads is as one of gRPC: an object of a number and a text, or bytes. */
export interface GrpcBody {
  n?: number;
  s?: string;
  bytes?: Buffer;
}

/** The service, as its client sees it. */
export interface GrpcBench {
  prepare(payload: { text: string }): Observable<object>;
  echo(body: GrpcBody): Observable<GrpcBody>;
  event(body: GrpcBody): Observable<object>;
  reach(count: { count: number }): Observable<TallyResult>;
}

export function toBody(value: GrpcBody | Buffer): GrpcBody {
  return Buffer.isBuffer(value) ? { bytes: value } : value;
}

export function fromBody(body: GrpcBody): GrpcBody | Buffer {
  return body.bytes ?? body;
}

/** BenchController for gRPC. */
@Controller()
export class GrpcBenchController {
  private readonly handlers = new BenchHandlers();

  @GrpcMethod('Bench', 'prepare')
  prepare({ text }: { text: string }): object {
    this.handlers.prepare(text, false);
    return {};
  }

  @GrpcMethod('Bench', 'echo')
  echo(body: GrpcBody): GrpcBody {
    return toBody(this.handlers.echo(fromBody(body)) as GrpcBody | Buffer);
  }

  @GrpcMethod('Bench', 'event')
  event(body: GrpcBody): object {
    this.handlers.event(fromBody(body));
    return {};
  }

  @GrpcMethod('Bench', 'reach')
  reach({ count }: { count: number }): Promise<TallyResult> {
    return this.handlers.reach(count);
  }
}
