import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RsmError } from './errors.js';
import { backOff, Instances } from './instances.js';

let root: string;
let folder: string;
let instances: Instances;
let attempts: string[] = [];
let refusals: RsmError[] = [];
let outcome: () => number = () => 1;
let onRefused: () => void = () => {};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rsm-instances-'));
  folder = join(root, 'orders');
  mkdirSync(folder, { mode: 0o700 });
  attempts = [];
  refusals = [];
  onRefused = () => {};
});
afterEach(() => {
  instances.stop();
  rmSync(root, { recursive: true, force: true });
});

function leaveSockets(...names: string[]): void {
  const script = `
    let left = process.argv.length - 1;
    for (const path of process.argv.slice(1)) require('node:net').createServer().listen(path, () => --left || process.kill(process.pid, 'SIGKILL'));`;
  spawnSync(process.execPath, ['-e', script, ...names.map((name) => join(folder, name))]);
  expect(readdirSync(folder)).toEqual(expect.arrayContaining(names));
}

function startInstances(retryAttempts = Infinity): void {
  instances = new Instances({
    directory: root,
    folder,
    trustedUids: [],
    scanInterval: 5,
    retryAttempts,
    connect: (path) => {
      attempts.push(path);
      return outcome();
    },
    onRefusal: (error) => {
      refusals.push(error);
      onRefused();
    },
  });
  instances.start();
}

function failing(reason: string): () => number {
  return () => {
    throw Object.assign(new Error('connect'), { code: 'RSM_UNREACHABLE', reason });
  };
}

describe('Instances', () => {
  it('connects once to each socket and to nothing else', () => {
    leaveSockets('a.sock', 'b.sock', 'c.sock.tmp');
    mkdirSync(join(folder, 'd.sock'));
    let id = 0;
    outcome = () => ++id;
    startInstances();
    expect(attempts.sort()).toEqual([join(folder, 'a.sock'), join(folder, 'b.sock')]);
  });

  it('removes sockets that refuse', () => {
    leaveSockets('a.sock');
    outcome = failing('ECONNREFUSED');
    startInstances();
    expect(readdirSync(folder)).toEqual([]);
    expect(refusals).toEqual([]);
    expect(instances.refusal()).toBeUndefined();
  });

  it('remembers a refusal only while every instance refuses', () => {
    leaveSockets('a.sock', 'b.sock');
    let id = 0;
    outcome = () => ++id;
    startInstances();
    instances.failed(1, new RsmError('RSM_PROTOCOL_MISMATCH', 'old'));
    expect(instances.refusal()).toBeUndefined();
    instances.failed(2, new RsmError('RSM_PERMISSION_DENIED', 'no'));
    expect(instances.refusal()).toMatchObject({ code: expect.stringMatching(/MISMATCH|DENIED/) });
    expect(refusals).toHaveLength(2);
  });

  it('says what EACCES means', () => {
    leaveSockets('a.sock');
    outcome = failing('EACCES');
    startInstances();
    expect(instances.refusal()).toMatchObject({ code: 'RSM_PERMISSION_DENIED', message: expect.stringContaining('a.sock') });
    expect(readdirSync(folder)).toEqual(['a.sock']);
  });

  it('tries again after a failure until it succeeds, no more than retryAttempts times', async () => {
    leaveSockets('a.sock');
    let enough: () => void = () => {};
    const thirdAttempt = new Promise<void>((resolve) => (enough = resolve));
    outcome = () => {
      if (attempts.length === 3) enough();
      return failing('EAGAIN')();
    };
    startInstances(2);
    await thirdAttempt;
    await new Promise((resolve) => setTimeout(resolve, backOff(3) * 4));
    expect(attempts).toHaveLength(3);
    expect(instances.lastFailure).toMatchObject({ code: 'RSM_UNREACHABLE' });
  });

  it('tries no other once it was stopped by whoever heard of a refusal', () => {
    leaveSockets('a.sock', 'b.sock');
    outcome = failing('EAGAIN');
    onRefused = () => instances.stop();
    startInstances();
    expect(attempts).toHaveLength(1);
  });

  it('does not use a folder that others may write to', () => {
    leaveSockets('a.sock');
    spawnSync('chmod', ['0722', folder]);
    outcome = () => 1;
    startInstances();
    expect(attempts).toEqual([]);
    expect(instances.refusal()).toMatchObject({ code: 'RSM_PERMISSION_DENIED', message: expect.stringContaining(folder) });
    expect(readdirSync(folder)).toEqual(['a.sock']);
  });

  it('waits longer after each failure, up to a limit', () => {
    expect(backOff(0)).toBe(0);
    for (let failures = 1; failures < 2000; failures++) expect(backOff(failures + 1)).toBeGreaterThanOrEqual(backOff(failures));
    expect(backOff(2000)).toBe(5_000);
  });
});
