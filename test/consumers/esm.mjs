import 'reflect-metadata';
import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import * as microservices from '@nestjs/microservices';
import * as rsm from 'nestjs-rsm';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import body from './body.cjs';

const require = createRequire(import.meta.url);
const other = require('nestjs-rsm');
const thrown = (make) => {
  try {
    return make();
  } catch (error) {
    return error;
  }
};

await body.run(
  fileURLToPath(import.meta.url),
  { common, core, microservices, rsm },
  {
    loaded: fileURLToPath(import.meta.resolve('nestjs-rsm')),
    // The CommonJS copy of the same package in the same process.
    twoCopies: other.RsmServer !== rsm.RsmServer,
    sameTransport: other.RSM_TRANSPORT === rsm.RSM_TRANSPORT,
    errorsKnown: rsm.RsmError.is(thrown(() => new other.RsmServer({ service: '..' }))),
  },
);
