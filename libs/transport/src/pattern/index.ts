export { compile, hasWildcards } from './wildcards.js';
export type { PatternMatcher } from './wildcards.js';
