// Run by Jest as CommonJS, the way most users of Nest 11 run theirs.
require('reflect-metadata');
const { expect, test } = require('@jest/globals'); // Jest's own, not installed here
const { Controller, Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { MessagePattern } = require('@nestjs/microservices');
const { RsmClient, RsmError, RsmServer } = require('nestjs-rsm');
const { lastValueFrom } = require('rxjs');

test('a server and a client in a CommonJS Jest test', async () => {
  class Echo {
    echo(data) {
      return data;
    }
  }
  MessagePattern('echo')(Echo.prototype, 'echo', Object.getOwnPropertyDescriptor(Echo.prototype, 'echo'));
  Controller()(Echo);
  class App {}
  Module({ controllers: [Echo] })(App);
  const app = await NestFactory.createMicroservice(App, { strategy: new RsmServer({ service: 'jest' }), logger: false });
  await app.listen();
  const client = new RsmClient({ service: 'jest' });
  expect(await lastValueFrom(client.send('echo', { text: 'hello', bytes: Buffer.from([1, 2, 3]) }))).toEqual({
    text: 'hello',
    bytes: Buffer.from([1, 2, 3]),
  });
  await client.close();
  await app.close();
  expect(() => new RsmServer({ service: '' })).toThrow(expect.objectContaining({ code: 'RSM_INVALID_OPTIONS' }));
  expect(RsmError.is(new Error('another'))).toBe(false);
});
