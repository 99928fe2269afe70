/** A Nest service that hostile peers are let loose on. Run with --expose-gc. */
import { Controller, Module } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { RsmServer, type RsmServerOptions } from 'nestjs-rsm';
import { NestFactory } from '@nestjs/core';
import { expose, fixtureOptions, onStop, ready } from './fixture/fixture.js';
import { exposeServer } from './fixture/serve.js';
import { residue } from './residue.js';

let events = 0;
/** How often each number came. */
let numbers = new Map<number, number>();
const held: (() => void)[] = [];

@Controller()
class TargetController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown) {
    return data;
  }

  /** What arrived as an own property, and whether a prototype was touched. */
  @MessagePattern('prototype')
  prototype(@Payload() data: object) {
    const plain = {} as Record<string, unknown>;
    return { polluted: plain['polluted'] ?? null, isPlain: Object.getPrototypeOf(data) === Object.prototype };
  }

  @MessagePattern('hold')
  hold() {
    return new Promise<string>((resolve) => held.push(() => resolve('released')));
  }

  @EventPattern<string>('number')
  number(@Payload() number: number) {
    numbers.set(number, (numbers.get(number) ?? 0) + 1);
  }

  @EventPattern('event')
  event(@Payload() _data: unknown) {
    events++;
  }
}

@Module({ controllers: [TargetController] })
class TargetModule {}

const server = new RsmServer({ service: 'hostile', ...fixtureOptions<Partial<RsmServerOptions>>() });
const app = await NestFactory.createMicroservice(TargetModule, { strategy: server, logger: ['error', 'warn'] });
onStop(() => app.close());
exposeServer(server);
function summarized(): { count: number; twice: number } {
  return { count: numbers.size, twice: [...numbers.values()].filter((times) => times > 1).length };
}

expose({
  events: () => events,
  /** How many different numbers came since the last call, and how many came more than once. */
  numbers: () => {
    const summary = summarized();
    numbers = new Map();
    return summary;
  },
  numbersSoFar: summarized,
  released: () => held.splice(0).forEach((release) => release()),
  held: () => held.length,
  residue: () => {
    const { lowest, regions, descriptors } = residue();
    return { lowest, regions, descriptors };
  },
  /** Resident bytes once garbage is gone. */
  resident: () => {
    for (let i = 0; i < 3; i++) (globalThis as { gc?: () => void }).gc!();
    return process.memoryUsage.rss();
  },
});
await app.listen();
ready({ path: server.unwrap().path });
