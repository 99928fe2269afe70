import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ResultRow } from '../results.js';
import { draw } from './draw.js';
import { figuresOf } from './figures.js';

/** Writes a chart for each figure that the rows give, and returns the files' paths. */
export function writeCharts(folder: string, rows: readonly ResultRow[]): string[] {
  const figures = figuresOf(rows);
  if (figures.length > 0) mkdirSync(folder, { recursive: true });
  return figures.map((figure) => {
    const path = join(folder, `${figure.file}.svg`);
    writeFileSync(path, draw(figure));
    return path;
  });
}
