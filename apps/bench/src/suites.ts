import { belowSuites } from './below/index.js';
import { limitSuites } from './limits/index.js';
import { nestSuite } from './nest/suite.js';
import { pipelineSuite } from './pipeline/suite.js';
import type { Suite } from './suite.js';

/** All that the benchmark can measure, in the report's order. */
export const suites: readonly Suite[] = [nestSuite, pipelineSuite, ...belowSuites, ...limitSuites];
