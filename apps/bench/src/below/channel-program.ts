import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { rawPayload } from '../payloads.js';
import type { Measures, RunningSubject, Subject } from '../suite.js';
import { buildLimits } from './limits-addon.js';
import { oneWay } from './workloads/one-way.js';
import { rawRoundTrip } from './workloads/round-trip.js';

const program = fileURLToPath(new URL('../../../../native/build/bench/channel_program', import.meta.url));
const MODES: Record<string, string> = { [rawRoundTrip.name]: 'ping-pong', [oneWay.name]: 'one-way' };

/** The protocol of the segments without Node.js: two processes that spin. See native/bench/channel_program.cc. */
export const channelProgram: Subject = {
  name: 'c++',
  quick: true,
  unavailable: buildLimits,
  measures: ({ name }) => Object.hasOwn(MODES, name),
  start: async () => new ChannelProgram(),
};

class ChannelProgram implements RunningSubject {
  private child: ChildProcess | undefined;

  async measure({ name, parameter }: { name: string; parameter: string }, { time }: { time: number }): Promise<Measures> {
    // Its standard input closes with this process: it ends by itself then.
    const child = spawn(program, [MODES[name]!, String(rawPayload(parameter).bytes), String(time)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child = child;
    let output = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    const code = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) => resolve(status ?? signal));
    });
    this.child = undefined;
    if (code !== 0) throw new Error(`${program} ended with ${code}`);
    const { messages, ...values } = JSON.parse(output) as Record<string, number>;
    return { values, messages: messages! };
  }

  async stop(): Promise<void> {
    this.child?.kill('SIGKILL');
  }
}
