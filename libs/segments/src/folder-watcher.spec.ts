import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FolderWatcher } from './folder-watcher.js';

let root: string;
let folder: string;
let watcher: FolderWatcher | undefined;
let names: string[] = [];
let failure: unknown;
let wake: () => void = () => {};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rsm-watch-'));
  folder = join(root, 'orders');
  names = ['(never looked)'];
});
afterEach(() => {
  watcher?.stop();
  rmSync(root, { recursive: true, force: true });
});

function startWatcher(scanInterval: number): FolderWatcher {
  watcher = new FolderWatcher(folder, scanInterval, (found, error) => {
    names = found.sort();
    failure = error;
    wake();
  });
  watcher.start();
  return watcher;
}

/** Resolves once the last look found exactly this; the test's own time limit is the only one. */
async function seen(expected: string[]): Promise<void> {
  while (JSON.stringify(names) !== JSON.stringify(expected)) await new Promise<void>((resolve) => (wake = resolve));
}

describe('FolderWatcher', () => {
  it('tells what is there inside start()', () => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'a'), '');
    startWatcher(1_000_000);
    expect(names).toEqual(['a']);
  });

  it('tells of files that come, are renamed and go, without scanning', async () => {
    mkdirSync(folder);
    expect(startWatcher(1_000_000).watching).toBe(true);
    writeFileSync(join(folder, 'a.tmp'), '');
    renameSync(join(folder, 'a.tmp'), join(folder, 'a'));
    await seen(['a']);
    rmSync(join(folder, 'a'));
    await seen([]);
  });

  it('finds a folder that is made later, and watches it', async () => {
    expect(startWatcher(5).watching).toBe(false);
    expect(names).toEqual([]);
    expect(failure).toBeUndefined();
    mkdirSync(folder);
    writeFileSync(join(folder, 'a'), '');
    await seen(['a']);
    expect(watcher!.watching).toBe(true);
  });

  it('survives that its folder is removed and made again, many times', async () => {
    mkdirSync(folder);
    startWatcher(5);
    for (let round = 0; round < 20; round++) {
      rmSync(folder, { recursive: true });
      // Sometimes it is seen missing, sometimes it has been replaced before anybody looks.
      if (round % 2 === 0) await seen([]);
      mkdirSync(folder);
      writeFileSync(join(folder, `file-${round}`), '');
      await seen([`file-${round}`]);
    }
  });

  it('passes on why a folder cannot be read', () => {
    writeFileSync(folder, 'a file');
    startWatcher(1_000_000);
    expect(names).toEqual([]);
    expect(failure).toMatchObject({ code: 'ENOTDIR' });
  });

  it('is silent after stop()', async () => {
    mkdirSync(folder);
    startWatcher(1).stop();
    writeFileSync(join(folder, 'a'), '');
    watcher!.lookAgain();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(names).toEqual([]);
  });
});
