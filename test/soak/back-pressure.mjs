// Back-pressure at full length: awaited 64 kB events at a receiver that is far slower than the sender. Prints how both sides' memory goes, and
// exits with 1 where an event was lost, repeated or misplaced, or where either side grew by more than the bound.
//   npm run soak:back-pressure -- [--messages 50000] [--bytes 65536] [--parallel 64] [--pause 0.5] [--bound 256]
// --pause: milliseconds the receiver takes for each event; --bound: MiB.
import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const MIB = 1024 * 1024;
const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '50000' },
    bytes: { type: 'string', default: String(64 * 1024) },
    parallel: { type: 'string', default: '64' },
    pause: { type: 'string', default: '0.5' },
    bound: { type: 'string', default: '256' },
  },
});
const [messages, bytes, parallel, pause, bound] = ['messages', 'bytes', 'parallel', 'pause', 'bound'].map((name) => {
  const number = Number(values[name]);
  if (!Number.isFinite(number) || number < 0) throw new Error(`--${name} ${values[name]}: a number is needed`);
  return number;
});

const directory = mkdtempSync(join(realpathSync(tmpdir()), 'rsm-soak-'));
const children = [];

/** Starts a fixture of the end-to-end tests; resolves when it is ready, with a function that calls what it exposes. */
function start(fixture, options) {
  const script = join(import.meta.dirname, '..', 'dist', `${fixture}.js`);
  if (!existsSync(script)) throw new Error(`There is no ${script}; run npm run build.`);
  const child = fork(script, [JSON.stringify(options)], { env: { ...process.env, RSM_DIRECTORY: directory }, serialization: 'advanced' });
  children.push(child);
  const calls = new Map();
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  const call = (name, ...args) =>
    new Promise((resolve, reject) => {
      const id = calls.size + 1;
      calls.set(id, { resolve, reject });
      child.send({ kind: 'call', id, name, args });
    });
  return new Promise((resolve, reject) => {
    child.on('message', (message) => {
      if (message.kind === 'ready') resolve({ call, stop: () => (child.send({ kind: 'stop' }), exited) });
      else if (message.kind === 'returned') calls.get(message.id).resolve(message.value);
      else calls.get(message.id).reject(new Error(message.message));
    });
    void exited.then((how) => {
      const error = new Error(`${fixture} ended: ${how}`);
      reject(error);
      calls.forEach((waiting) => waiting.reject(error));
    });
  });
}

const mebibytes = (count) => `${(count / MIB).toFixed(0)} MiB`;

async function main() {
  const slow = await start('slow', { pause });
  const emitter = await start('emitter', {});
  console.log(
    `${messages} events of ${bytes} bytes (${mebibytes(messages * bytes)}), ${parallel} awaited at a time, ${pause} ms each at the receiver`,
  );
  const began = performance.now();
  let done = false;
  const emitting = emitter.call('emit', messages, bytes, parallel).finally(() => (done = true));
  emitting.catch(() => {});
  while (!done) {
    await Promise.race([emitting.catch(() => {}), sleep(5_000)]);
    const [state, emitted, sender, receiver] = await Promise.all([
      slow.call('state'),
      emitter.call('emitted'),
      emitter.call('rss'),
      slow.call('rss'),
    ]);
    const seconds = ((performance.now() - began) / 1_000).toFixed(0).padStart(5);
    console.log(
      `${seconds} s: ${emitted} emitted, ${state.received} handled; RSS sender ${mebibytes(sender)}, receiver ${mebibytes(receiver)}`,
    );
  }
  const { failures, growth } = await emitting;
  let state = await slow.call('state');
  for (let before = -1; state.received < messages && state.received !== before; state = await slow.call('state')) {
    before = state.received;
    await sleep(2_000 + 10 * pause);
  }
  const seconds = (performance.now() - began) / 1_000;
  const ends = [await emitter.stop(), await slow.stop()];

  const problems = [];
  if (failures.length > 0) problems.push(`${failures.length} emits failed, the first with: ${failures[0]}`);
  if (state.received !== messages || state.sum !== (messages * (messages - 1)) / 2 || state.bytes !== messages * bytes) {
    problems.push(`${state.received} events with ${state.bytes} bytes were handled (sum of their numbers: ${state.sum})`);
  }
  if (state.misplaced > 0) problems.push(`${state.misplaced} events came out of order`);
  if (growth > bound * MIB) problems.push(`the sender grew by ${mebibytes(growth)}`);
  if (state.growth > bound * MIB) problems.push(`the receiver grew by ${mebibytes(state.growth)}`);
  if (ends.some((end) => end !== 0)) problems.push(`the processes ended with ${ends.join(' and ')}`);
  console.log(
    `${(messages / seconds).toFixed(0)} events/s; at most the sender grew by ${mebibytes(growth)}, the receiver by ${mebibytes(state.growth)}`,
  );
  console.log(problems.length === 0 ? 'Nothing lost, order kept, memory bounded.' : `FAILED: ${problems.join('; ')}`);
  return problems.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} finally {
  children.forEach((child) => child.kill('SIGKILL'));
  rmSync(directory, { recursive: true, force: true });
}
