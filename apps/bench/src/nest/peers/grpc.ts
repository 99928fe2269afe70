import { fromJSON } from '@grpc/proto-loader';
import { type ClientGrpcProxy, type GrpcOptions, Transport } from '@nestjs/microservices';
import { map, type Observable } from 'rxjs';
import { fromBody, type GrpcBench, GrpcBenchController, type GrpcBody, toBody } from '../grpc-bench.controller.js';
import type { Address, BenchClient, NestPeer, NestPlace } from './peer.js';

const packageDefinition = fromJSON({
  nested: {
    bench: {
      nested: {
        Bench: {
          methods: {
            prepare: { requestType: 'Text', responseType: 'Nothing', comment: '' },
            echo: { requestType: 'Body', responseType: 'Body', comment: '' },
            event: { requestType: 'Body', responseType: 'Nothing', comment: '' },
            reach: { requestType: 'Count', responseType: 'TallyResult', comment: '' },
          },
        },
        Nothing: { fields: {} },
        Text: { fields: { text: { type: 'string', id: 1 } } },
        Count: { fields: { count: { type: 'uint32', id: 1 } } },
        Body: { fields: { n: { type: 'uint32', id: 1 }, s: { type: 'string', id: 2 }, bytes: { type: 'bytes', id: 3 } } },
        TallyResult: { fields: { handled: { type: 'uint32', id: 1 }, fault: { type: 'string', id: 2 } } },
      },
    },
  },
});

function options({ port }: Address | NestPlace): GrpcOptions['options'] {
  const unlimited = { maxReceiveMessageLength: -1, maxSendMessageLength: -1 };
  return { package: 'bench', packageDefinition, url: `127.0.0.1:${port}`, ...unlimited };
}

/** Nest's gRPC transport. It knows no events: one is a call with an empty answer, and calls keep no order. */
export const grpc: NestPeer = {
  name: 'grpc',
  controller: GrpcBenchController,
  server: (place) => ({ transport: Transport.GRPC, options: options(place) }),
  client: (address) => ({ transport: Transport.GRPC, options: options(address) }),
  async connect(client): Promise<BenchClient> {
    const bench = (client as ClientGrpcProxy).getService<GrpcBench>('Bench');
    return {
      send<T>(pattern: string, data: unknown): Observable<T> {
        const calls: Record<string, () => Observable<unknown>> = {
          prepare: () => bench.prepare({ text: data as string }),
          echo: () => bench.echo(toBody(data as GrpcBody | Buffer)).pipe(map(fromBody)),
          reach: () => bench.reach({ count: data as number }),
        };
        return calls[pattern]!() as Observable<T>;
      },
      emit<T>(_pattern: string, data: unknown): Observable<T> {
        return bench.event(toBody(data as GrpcBody | Buffer)) as Observable<T>;
      },
    };
  },
};
