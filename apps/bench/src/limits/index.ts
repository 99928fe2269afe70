import type { Suite } from '../suite.js';
import { idleSuite } from './idle.js';

export const limitSuites: readonly Suite[] = [idleSuite];
