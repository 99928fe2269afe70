import 'reflect-metadata';
import {
  type ArgumentMetadata,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  Inject,
  Injectable,
  Module,
  type NestInterceptor,
  type OnModuleDestroy,
  type PipeTransform,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { NestFactory, REQUEST } from '@nestjs/core';
import {
  Ctx,
  EventPattern,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
  type RequestContext,
  RpcException,
} from '@nestjs/microservices';
import { RsmContext, RsmServer } from 'nestjs-rsm';
import { catchError, map, throwError } from 'rxjs';
import { expose, fixtureOptions, onStop, ready } from './fixture/fixture.js';
import { exposeServer } from './fixture/serve.js';

/** A hybrid app: HTTP and rsm. Each part of Nest's pipeline leaves its mark. */
const log: string[] = [];
let instances = 0;

@Injectable()
class NoBannedGuard implements CanActivate {
  canActivate(context: ExecutionContext) {
    const rpc = context.switchToRpc();
    log.push(`guard ${context.getType()} ${rpc.getContext() instanceof RsmContext} ${context.getHandler().name}`);
    return rpc.getData<{ banned?: boolean }>()?.banned !== true;
  }
}

@Injectable()
class DoublePipe implements PipeTransform {
  transform(value: { n?: unknown }, { type }: ArgumentMetadata) {
    if (type !== 'body') {
      return value;
    }
    if (typeof value?.n !== 'number') {
      throw new RpcException({ field: 'n', expected: 'number' });
    }
    return { ...value, n: value.n * 2 };
  }
}

@Injectable()
class WrapInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler) {
    log.push(`before ${context.getHandler().name}`);
    return next.handle().pipe(
      map((value: unknown) => ({ wrapped: value })),
      catchError((error: Error) =>
        throwError(() => (error instanceof RpcException ? error : new RpcException(`intercepted ${error.message}`))),
      ),
    );
  }
}

class OutOfStock extends Error {}

@Catch(OutOfStock)
class OutOfStockFilter implements ExceptionFilter {
  catch(exception: OutOfStock, host: ArgumentsHost) {
    return throwError(() => ({ filtered: exception.message, pattern: host.switchToRpc().getContext<RsmContext>().getPattern() }));
  }
}

/** One for each message. */
@Injectable({ scope: Scope.REQUEST })
class RequestScoped {
  readonly number = ++instances;

  constructor(@Inject(REQUEST) private readonly request: RequestContext<unknown, RsmContext>) {}

  describe() {
    return {
      number: this.number,
      data: this.request.getData(),
      pattern: this.request.getPattern(),
      isRsm: this.request.getContext() instanceof RsmContext,
    };
  }
}

@Controller()
class PlainController {
  @Get('health')
  health() {
    return { up: true };
  }

  @MessagePattern('plain')
  plain(@Payload() data: unknown) {
    return data;
  }

  @UseGuards(NoBannedGuard)
  @MessagePattern('guarded')
  guarded() {
    return 'let in';
  }

  @UsePipes(DoublePipe)
  @MessagePattern('piped')
  piped(@Payload() data: { n: number }) {
    return data;
  }

  @MessagePattern('piped-property')
  pipedProperty(@Payload('n') n: number) {
    return n;
  }

  @UseInterceptors(WrapInterceptor)
  @MessagePattern('intercepted')
  intercepted(@Payload() data: unknown) {
    return data;
  }

  @UseInterceptors(WrapInterceptor)
  @MessagePattern('intercepted-failure')
  interceptedFailure() {
    throw new Error('failure');
  }

  @UseFilters(OutOfStockFilter)
  @MessagePattern('filtered')
  filtered() {
    throw new OutOfStock('no more of it');
  }

  @MessagePattern('unfiltered')
  unfiltered() {
    throw new OutOfStock('no more of it');
  }

  @UseGuards(NoBannedGuard)
  @UseInterceptors(WrapInterceptor)
  @EventPattern<string>('guarded-event')
  guardedEvent(@Payload() data: { name: string }) {
    log.push(`event ${data.name}`);
  }

  @MessagePattern('context')
  context(@Ctx() context: RsmContext) {
    return { pattern: context.getPattern(), headers: context.getHeaders(), metadata: context.getMetadata(), attempt: context.getAttempt() };
  }

  @EventPattern<string>('context-event')
  contextEvent(@Ctx() context: RsmContext) {
    log.push(JSON.stringify({ headers: context.getHeaders(), metadata: context.getMetadata(), attempt: context.getAttempt() }));
  }

  @MessagePattern('frozen')
  frozen(@Ctx() context: RsmContext) {
    return Object.isFrozen(context.getHeaders());
  }

  @MessagePattern('ack-in-request')
  ackInRequest(@Ctx() context: RsmContext) {
    try {
      context.ack();
      return 'acknowledged';
    } catch (error) {
      return (error as Error).message;
    }
  }
}

@Controller()
class ScopedController {
  constructor(private readonly scoped: RequestScoped) {}

  @MessagePattern({ cmd: 'scoped' })
  describe() {
    return this.scoped.describe();
  }

  @EventPattern<string>('scoped-event')
  event() {
    log.push(JSON.stringify(this.scoped.describe()));
  }
}

@Injectable()
class Database implements OnModuleDestroy {
  onModuleDestroy() {
    log.push('database destroyed');
  }
}

@Module({ controllers: [PlainController, ScopedController], providers: [RequestScoped, Database] })
class PipelineModule {}

const { inheritAppConfig } = fixtureOptions<{ inheritAppConfig: boolean }>();
const server = new RsmServer({ service: 'pipeline' });
const app = await NestFactory.create(PipelineModule, { logger: ['error', 'warn'] });
app.useGlobalGuards({ canActivate: (context: ExecutionContext) => (log.push(`global guard ${context.getType()}`), true) });
app.useGlobalInterceptors({ intercept: (_context, next) => next.handle().pipe(map((value: unknown) => ({ global: value }))) });
app.connectMicroservice<MicroserviceOptions>({ strategy: server }, { inheritAppConfig });
expose({ log: () => log, clear: () => void log.splice(0) });
exposeServer(server);
onStop(() => app.close());
await app.startAllMicroservices();
await app.listen(0, '127.0.0.1');
ready({ port: (app.getHttpServer().address() as { port: number }).port });
