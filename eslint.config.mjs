import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import globals from 'globals';
import typescript from 'typescript-eslint';

export default typescript.config(
  { ignores: ['**/dist/**', '**/build/**', '**/prebuilds/**', 'dist-packages/**', 'coverage/**'] },
  js.configs.recommended,
  { files: ['**/*.{js,mjs,cjs}'], languageOptions: { globals: globals.node } },
  { files: ['**/*.{js,cjs}'], languageOptions: { sourceType: 'commonjs' } },
  {
    files: ['**/*.ts'],
    extends: [...typescript.configs.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Nest hands packets, patterns and payloads through as `any`.
      '@typescript-eslint/no-explicit-any': 'off',
    },
  },
  {
    // Nest's dependency injection reads parameter types at run time, so those imports must stay values.
    files: ['apps/**/*.ts', 'test/**/*.ts', 'libs/transport/**/*.ts'],
    rules: { '@typescript-eslint/consistent-type-imports': 'off' },
  },
  {
    files: ['native/*.d.ts'],
    languageOptions: { parserOptions: { projectService: false, project: null } },
    rules: typescript.configs.disableTypeChecked.rules,
  },
  prettier,
);
