import { Presets, SingleBar } from 'cli-progress';
import type { Gateway } from './gateway.js';

/** Milliseconds between two looks at the gateway: seldom enough not to disturb what is measured. */
const INTERVAL = 250;

/** Shows how far a replay is until `done` settles: a bar, or a line now and then where there is no terminal. */
export async function showProgress<T>(gateway: Gateway, count: number, label: string, done: Promise<T>): Promise<T> {
  const bar = new SingleBar(
    {
      format: `  ${label} {bar} {percentage} % | {value} of {total} events | {phase}`,
      hideCursor: true,
      noTTYOutput: true,
      notTTYSchedule: 2_000,
    },
    Presets.shades_classic,
  );
  bar.start(count, 0, { phase: 'loading' });
  const timer = setInterval(() => {
    gateway.replayProgress().then(
      ({ sent, phase }) => bar.update(sent, { phase }),
      () => undefined, // `done` tells what went wrong
    );
  }, INTERVAL);
  try {
    const result = await done;
    bar.update(count, { phase: 'done' });
    return result;
  } finally {
    clearInterval(timer);
    bar.stop();
  }
}
