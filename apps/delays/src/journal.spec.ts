import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal } from './journal.js';

describe('Journal', () => {
  let folder: string;
  let path: string;
  let opened: Journal[];

  function open(): Journal {
    const journal = new Journal(path);
    opened.push(journal);
    return journal;
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rsm-journal-'));
    path = join(folder, 'delays.journal');
    opened = [];
  });

  afterEach(() => {
    opened.forEach((journal) => journal.close());
    rmSync(folder, { recursive: true });
  });

  it('has for a successor what its predecessor wrote and never closed', () => {
    const journal = open();
    expect(journal.read()).toEqual([]);
    journal.append({ sequence: 7, origin: 'LAS', delay: -3 });
    journal.append({ origin: 'odd ",\n', delay: 90 });
    expect(open().read()).toEqual([
      { sequence: 7, origin: 'LAS', delay: -3 },
      { sequence: undefined, origin: 'odd ",\n', delay: 90 },
    ]);
  });

  it('removes a line that its writer did not finish, and goes on after the whole ones', () => {
    open().append({ sequence: 0, origin: 'LAS', delay: 1 });
    appendFileSync(path, '[1,"AT');
    const successor = open();
    expect(successor.read()).toHaveLength(1);
    successor.append({ sequence: 1, origin: 'ATL', delay: 2 });
    expect(
      open()
        .read()
        .map(({ sequence }) => sequence),
    ).toEqual([0, 1]);
  });

  it('is empty after clear(), for this process and the next', () => {
    const journal = open();
    journal.append({ sequence: 0, origin: 'LAS', delay: 1 });
    journal.clear();
    expect(journal.read()).toEqual([]);
    journal.append({ sequence: 1, origin: 'ATL', delay: 2 });
    expect(open().read()).toEqual([{ sequence: 1, origin: 'ATL', delay: 2 }]);
  });

  it('refuses a path it cannot write to', () => {
    expect(() => new Journal(join(folder, 'no', 'folder'))).toThrow('ENOENT');
  });
});
