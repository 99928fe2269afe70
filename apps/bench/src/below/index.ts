import type { Suite } from '../suite.js';
import { belowSuite } from './suite.js';

export const belowSuites: readonly Suite[] = [belowSuite];
