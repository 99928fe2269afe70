import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Says that it runs, then computes for ever; ends with whoever started it, for its standard output breaks. */
const PROGRAM = `let turns = 0; process.stdout.on('error', () => process.exit());
for (;;) { const end = Date.now() + 200; while (Date.now() < end) turns++; require('node:fs').writeSync(1, '.'); }`;

/** Third processes that want a core all the time. */
export class BusyProcesses {
  private constructor(private readonly children: readonly ChildProcess[]) {}

  static async start(count: number): Promise<BusyProcesses> {
    const children = Array.from({ length: count }, () =>
      spawn(process.execPath, ['-e', PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    await Promise.all(children.map((child) => once(child.stdout!.resume(), 'data')));
    return new BusyProcesses(children);
  }

  async stop(): Promise<void> {
    for (const child of this.children) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
  }
}
