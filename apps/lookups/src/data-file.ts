import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const { resolve } = createRequire(import.meta.url);

/** The path of a file of the npm package vega-datasets, wherever npm has installed it. */
export function dataFile(name: string): string {
  // The package exports nothing but its entry point, build/index.js; the data lie beside build/.
  return join(dirname(resolve('vega-datasets')), '..', 'data', name);
}
