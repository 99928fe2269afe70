// Builds the checked addon and requires that it counts a wake-up that was taken away, and none where all is well.
//   node native/test/wakes.mjs     The last line printed is `N passed, N failed`.
import { fstatSync, mkdtempSync, readdirSync, readSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../scripts/shared.mjs';
import { buildChecked } from '../scripts/build-checked.mjs';

const options = {
  service: 'wakes',
  receive: [{ partitionSize: 256, partitions: 64, spanFactor: 8 }],
  maxMessageSize: 1 << 20,
  maxConnections: 10,
  maxMemory: 64 << 20,
  allowUids: [],
  allowGids: [],
  handshakeTimeout: 5000,
  maxHandshakes: 10,
  pollingWindow: 0,
  eventCredit: 0xffffffff,
  requestCredit: 0xffffffff,
};

/** A listener and a connector of this process, and what they have to do with one another. */
async function pair(NativeEndpoint, folder) {
  let received = 0;
  const endpoint = (role) =>
    new Promise((resolve) => {
      const handlers = {
        onMessages: (count) => {
          received += count;
          for (let row = 0; row < count; ++row) {
            const slot = 1 + made.outbox[0]++ * 2;
            made.outbox[slot] = made.table[row * 8 + 1];
            made.outbox[slot + 1] = 1;
          }
        },
      };
      for (const name of ['onConnection', 'onWritable', 'onReleases', 'onNotice', 'onClosed', 'onHangup']) {
        handlers[name] = (...args) => made.events?.(name, args);
      }
      const made = new NativeEndpoint({ ...options, role, identity: role }, handlers);
      resolve(made);
    });
  const listener = await endpoint('listener');
  const connector = await endpoint('connector');
  const path = join(folder, 'a.sock');
  listener.listen(path);
  const said = (name) =>
    new Promise((resolve) => {
      connector.events = (event) => event === name && resolve();
    });
  const greeted = said('onConnection');
  const connection = connector.connect(path);
  await greeted;
  const writable = said('onWritable');
  connector.send(connection, 1, 0, 1, 0, 'first');
  await writable;
  return {
    send: () => connector.send(connection, 1, 0, 1, 0, 'a message'),
    received: () => received,
    count: (name) => listener.counters()[name] + connector.counters()[name],
    destroy: () => [listener, connector].forEach((one) => one.destroy()),
  };
}

const openDescriptors = () => readdirSync('/proc/self/fd');

/** Takes every ring of this process's doorbells before its loop hears of them. `others`: pipes that are none, such as libuv's locks. */
function stealRings(others) {
  const bytes = Buffer.alloc(4096);
  for (const name of openDescriptors().filter((descriptor) => !others.includes(descriptor))) {
    try {
      if (fstatSync(Number(name)).isFIFO()) readSync(Number(name), bytes);
    } catch {
      // Not a reading end, or nothing in it.
    }
  }
}

async function main() {
  process.env.RSM_NATIVE_ADDON = await buildChecked();
  const { NativeEndpoint } = createRequire(import.meta.url)('../index.js');
  const results = { passed: 0, failed: 0 };
  const check = (promise, holds) => {
    results[holds ? 'passed' : 'failed'] += 1;
    if (!holds) console.log(`FAILED: ${promise}`);
  };
  for (const steals of [false, true]) {
    const folder = mkdtempSync(join(tmpdir(), 'rsm-wakes-'));
    const others = openDescriptors();
    const both = await pair(NativeEndpoint, folder);
    try {
      for (let i = 0; i < 20; ++i) {
        both.send();
        await delay(20); // each finds the listener asleep
      }
      check('messages to a sleeping endpoint arrive', both.received() === 20);
      both.send();
      if (steals) stealRings(others);
      for (let turn = 0; turn < 100 && (steals ? both.count('missedWakes') === 0 : both.count('wakeChecks') < 10); ++turn) await delay(100);
      check('sleeping connections are looked at', both.count('wakeChecks') >= (steals ? 1 : 10));
      check(steals ? 'a wake-up that was taken away is counted' : 'no wake-up is missed', both.count('missedWakes') === (steals ? 1 : 0));
      check('and that message is there when it was rung for', both.received() === (steals ? 20 : 21));
    } finally {
      both.destroy();
      rmSync(folder, { recursive: true, force: true });
    }
  }
  console.log(`${results.passed} passed, ${results.failed} failed`);
  process.exitCode = results.failed ? 1 : 0;
}

await run(main);
