import { Controller, HttpException, Module } from '@nestjs/common';
import { BaseRpcContext, Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { concat, delay, EMPTY, from, interval, map, of, take, throwError, timer } from 'rxjs';
import { expose } from './fixture/fixture.js';
import { serve } from './fixture/serve.js';

const log: unknown[] = [];

interface PatternContext extends BaseRpcContext {
  getPattern(): string;
}

@Controller()
class PatternsController {
  @MessagePattern('string')
  ofString(@Payload() data: unknown) {
    return { by: 'string', data };
  }

  @MessagePattern({ cmd: 'object', nested: { b: 1, a: 'x' } })
  ofObject(@Payload() data: unknown) {
    return { by: 'object', data };
  }

  @MessagePattern({ cmd: 'json' })
  ofJson(@Payload() data: unknown) {
    return { by: 'json', data };
  }

  @MessagePattern(7)
  ofNumber(@Payload() data: unknown) {
    return { by: 'number', data };
  }

  @MessagePattern('[1,2]')
  ofList() {
    return { by: 'list' };
  }

  @MessagePattern('true')
  ofTrue() {
    return { by: 'true' };
  }

  @MessagePattern('null')
  ofNull() {
    return { by: 'null' };
  }

  @MessagePattern('"quoted"')
  ofQuoted() {
    return { by: 'quoted' };
  }

  @MessagePattern('ends with } {')
  ofBraces() {
    return { by: 'braces' };
  }

  @MessagePattern('größe.✈')
  ofUnicode() {
    return { by: 'unicode' };
  }

  @MessagePattern(['first', 'second'])
  ofSeveral(@Ctx() context: PatternContext) {
    return { by: 'several', pattern: context.getPattern() };
  }

  @MessagePattern({ cmd: 'pattern' })
  pattern(@Ctx() context: PatternContext) {
    return context.getPattern();
  }
}

@Controller()
class RepliesController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown) {
    return data;
  }

  @MessagePattern('type')
  type(@Payload() data: unknown) {
    return data === null ? 'null' : Array.isArray(data) ? 'array' : typeof data;
  }

  @MessagePattern('async')
  async async(@Payload() data: unknown) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return data;
  }

  @MessagePattern('undefined')
  undefined() {}

  @MessagePattern('async-undefined')
  async asyncUndefined() {}

  @MessagePattern('values')
  values(@Payload() values: unknown[]) {
    return from(values);
  }

  @MessagePattern('slow-values')
  slowValues(@Payload() count: number) {
    return interval(2).pipe(take(count));
  }

  @MessagePattern('many')
  many(@Payload() count: number) {
    return from(Array.from({ length: count }, (_, i) => i));
  }

  @MessagePattern('promised-values')
  async promisedValues(@Payload() values: unknown[]) {
    return from(values).pipe(delay(2));
  }

  @MessagePattern('holes')
  holes() {
    return of(1, undefined, 2, null, undefined);
  }

  @MessagePattern('late-end')
  lateEnd() {
    return concat(of('value'), timer(10).pipe(take(0)));
  }

  @MessagePattern('empty')
  empty() {
    return EMPTY;
  }

  @MessagePattern('promised-empty')
  async promisedEmpty() {
    return EMPTY;
  }
}

@Controller()
class ErrorsController {
  @MessagePattern('rpc-string')
  rpcString() {
    throw new RpcException('no such order');
  }

  @MessagePattern('rpc-object')
  rpcObject() {
    throw new RpcException({ code: 17, reason: { field: 'id' } });
  }

  @MessagePattern('rpc-empty')
  rpcEmpty() {
    throw new RpcException('');
  }

  @MessagePattern('rpc-async')
  async rpcAsync() {
    await Promise.resolve();
    throw new RpcException('later');
  }

  @MessagePattern('rpc-observable')
  rpcObservable() {
    return throwError(() => new RpcException('from the stream'));
  }

  @MessagePattern('error')
  error() {
    throw new Error('secret of the house');
  }

  @MessagePattern('error-async')
  async errorAsync() {
    throw new Error('secret of the house');
  }

  @MessagePattern('error-string')
  errorString() {
    throw 'a string';
  }

  @MessagePattern('error-undefined')
  errorUndefined() {
    throw undefined;
  }

  @MessagePattern('error-http')
  errorHttp() {
    throw new HttpException('teapot', 418);
  }

  @MessagePattern('values-then-error')
  valuesThenError() {
    return concat(
      of(1, 2),
      throwError(() => new Error('secret of the house')),
    );
  }

  @MessagePattern('values-then-rpc')
  valuesThenRpc() {
    return concat(
      of(1, 2).pipe(delay(3)),
      throwError(() => new RpcException({ after: 2 })),
    );
  }

  @MessagePattern('unserializable')
  unserializable() {
    return 10n;
  }
}

@Controller()
class EventsController {
  @EventPattern('event')
  event(@Payload() data: unknown) {
    log.push(['event', data]);
  }

  @EventPattern({ kind: 'object' })
  ofObject(@Payload() data: unknown, @Ctx() context: PatternContext) {
    log.push(['object', data, context.getPattern()]);
  }

  @EventPattern('shared')
  first(@Payload() data: unknown) {
    log.push(['first', data]);
  }

  @EventPattern('shared')
  async second(@Payload() data: unknown) {
    await Promise.resolve();
    log.push(['second', data]);
  }

  @EventPattern('shared')
  third(@Payload() data: unknown) {
    return of(data).pipe(map((value) => log.push(['third', value])));
  }

  @EventPattern('sync-failure')
  syncFailure(@Payload() data: unknown) {
    log.push(['sync-failure', data]);
    throw new Error('the event cannot be handled');
  }

  @EventPattern('answering-event')
  answering(@Payload() data: unknown) {
    log.push(['answering-event', data]);
    return { answered: data };
  }

  @MessagePattern('counted-request')
  counted(@Payload() data: unknown) {
    log.push(['counted-request', data]);
    return 'counted';
  }
}

@Module({ controllers: [PatternsController, RepliesController, ErrorsController, EventsController] })
class ConformanceModule {}

expose({ log: () => log, clear: () => void log.splice(0) });
await serve(ConformanceModule, { server: { service: 'conformance' } });
