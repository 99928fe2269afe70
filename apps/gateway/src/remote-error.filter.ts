import {
  type ArgumentsHost,
  BadGatewayException,
  BadRequestException,
  Catch,
  HttpException,
  NotFoundException,
  ServiceUnavailableException,
} from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';

/** Answers what another service refused, or that it cannot be reached, with the fitting HTTP status. */
@Catch()
export class RemoteErrorFilter extends BaseExceptionFilter {
  override catch(exception: unknown, host: ArgumentsHost): void {
    super.catch(toHttpException(exception), host);
  }
}

/** `error` is what a client's Observable failed with: the object of an RpcException, a text, or an Error of the transport. */
export function toHttpException(error: unknown): HttpException {
  if (error instanceof HttpException) {
    return error;
  }
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  const text = message ?? String(error);
  switch (code) {
    case 'NOT_FOUND':
      return new NotFoundException(text);
    case 'INVALID':
      return new BadRequestException(text);
    case 'ECONNREFUSED':
    case 'RSM_UNREACHABLE':
    case 'RSM_CONNECTION_LOST':
    case 'RSM_BACKPRESSURE':
      return new ServiceUnavailableException(text);
    default:
      return new BadGatewayException(text);
  }
}
