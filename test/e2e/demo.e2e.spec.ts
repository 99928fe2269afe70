import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { newServiceDirectory } from '../support/index.js';

const DEMO = join(import.meta.dirname, '..', '..', 'apps', 'demo', 'dist', 'main.js');
const FLIGHTS = 30_000;

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the demo with `folder` for what it keeps in files. */
function runDemo(folder: string, ...args: string[]): Promise<Ended> {
  const env = { ...process.env, NODE_OPTIONS: '', TMPDIR: folder };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [DEMO, ...args], { env }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

/** The number in the report's line that begins with `label`, of the part after the title of the kill. */
function figure(report: string, label: string): number {
  const kill = report.slice(report.indexOf('killed with -9'));
  const line = kill.split('\n').find((each) => each.trim().startsWith(label));
  return Number(
    line
      ?.trim()
      .slice(label.length)
      .trim()
      .split(/ {2,}/)[0]
      .replace(/,| ms$/g, ''),
  );
}

describe('the demo', () => {
  it('kills its consumer with -9 in the middle of the stream and loses nothing over segments', async () => {
    const folder = newServiceDirectory();
    const { code, stdout, stderr } = await runDemo(folder, '--flights', String(FLIGHTS), '--transport', 'rsm');
    expect(stderr).not.toContain('FAULT');
    expect(code).toBe(0);
    const of = (label: string) => figure(stdout, label);
    expect(of('events sent')).toBe(FLIGHTS);
    expect(of('handled at least once')).toBe(FLIGHTS);
    expect(of('lost')).toBe(0);
    // Both had their part: it was in the middle.
    expect(of('of them before the kill')).toBeLessThan(FLIGHTS);
    expect(of('of them by the successor')).toBe(FLIGHTS - of('of them before the kill'));
    expect(of('handled twice')).toBeLessThan(FLIGHTS);
    expect(of('kill until it handled its first event')).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual([]);
  }, 180_000);

  it('ends with a message and code 1 where it is asked for what it cannot do', async () => {
    const folder = newServiceDirectory();
    const { code, stderr } = await runDemo(folder, '--flights', '1');
    expect(code).toBe(1);
    expect(stderr).toContain('It must be an integer in 100 to 3000000.');
    expect(readdirSync(folder)).toEqual([]);
  });
});
