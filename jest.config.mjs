/** Nest 12 is ESM-only, so everything runs as ES modules (NODE_OPTIONS=--experimental-vm-modules, set by scripts/test.mjs). */
const common = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/build/', '/dist-packages/'],
  // Sources import './x.js'; the file on disk is x.ts.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2022',
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
};

/** Other users, groups and mounts: not a skipped test, but files that a run by somebody else does not include (scripts/test.mjs says so). */
const rootOnly = process.getuid?.() === 0 ? [] : ['\\.root\\.spec\\.ts$'];

export default {
  maxWorkers: 2,
  testTimeout: 60_000,
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/libs/**/src/**/*.spec.ts', '<rootDir>/apps/**/src/**/*.spec.ts'] },
    { ...common, displayName: 'e2e', testMatch: ['<rootDir>/test/**/*.e2e.spec.ts'] },
    {
      ...common,
      displayName: 'hostile',
      testMatch: ['<rootDir>/test/hostile/**/*.spec.ts'],
      testPathIgnorePatterns: [...common.testPathIgnorePatterns, ...rootOnly],
    },
  ],
};
