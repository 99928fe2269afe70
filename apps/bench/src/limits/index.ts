import type { Suite } from '../suite.js';
import { blockingSuite, busySuite } from './blocking.js';
import { idleConnectionsSuite } from './idle-connections.js';
import { idleSuite } from './idle.js';
import { scaleSuites } from './scale/index.js';

export const limitSuites: readonly Suite[] = [blockingSuite, busySuite, ...scaleSuites, idleSuite, idleConnectionsSuite];
