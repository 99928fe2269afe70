import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const ROOT = join(import.meta.dirname, '..', '..');
const CONSUMERS = join(import.meta.dirname, '..', 'consumers');
/** An installation from the registry, on a slow day. */
const INSTALLING = 300_000;
const RUNNING = 60_000;

interface Report {
  sum: number;
  events: unknown[];
  lost: unknown;
  serverExit: unknown;
  classes: object;
  loaded: string;
  twoCopies?: boolean;
  sameTransport?: boolean;
  errorsKnown?: boolean;
}

let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(realpathSync(tmpdir()), 'rsm-c-'));
  await run(process.execPath, [join(ROOT, 'scripts', 'pack.mjs')], { cwd: ROOT });
  // Whoever packs at the same time replaces the tarballs.
  cpSync(join(ROOT, 'dist-packages'), join(folder, 'packages'), { recursive: true });
}, INSTALLING);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function binary(name: string, file: string): string {
  return join(dirname(require.resolve(`${name}/package.json`)), file);
}

/** The files of the README's quick start, by path: its blocks that begin with one. */
function quickStart(): Map<string, string> {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const files = new Map([...readme.matchAll(/^```ts\n\/\/ (\S+)\n(.*?)^```/gms)].map(([, path, text]) => [path!, text!]));
  expect([...files.keys()]).toEqual([
    'orders/main.ts',
    'orders/orders.module.ts',
    'orders/orders.controller.ts',
    'api/api.module.ts',
    'api/api.controller.ts',
  ]);
  return files;
}

describe.each([
  { nest: '12', versions: { common: '~12.5.1', core: '~12.5.1', microservices: '~12.1.1' }, expected: /^12\./ },
  { nest: '11.2', versions: { common: '^11.1.6', core: '^11.1.6', microservices: '~11.2.0' }, expected: /^11\.2\./ },
])('an app with Nest $nest that installed the packed packages', ({ nest, versions, expected }) => {
  let app: string;

  beforeAll(async () => {
    app = join(folder, `nest-${nest}`);
    mkdirSync(join(app, 'rsm'), { recursive: true });
    readdirSync(CONSUMERS).forEach((name) => copyFileSync(join(CONSUMERS, name), join(app, name)));
    const packages = Object.fromEntries(
      readdirSync(join(folder, 'packages')).map((file) => [nameOf(file), `file:${join(folder, 'packages', file)}`]),
    );
    const nestPackages = Object.fromEntries(Object.entries(versions).map(([name, version]) => [`@nestjs/${name}`, version]));
    const dependencies = { ...nestPackages, ...packages, 'reflect-metadata': '^0.2.2', rxjs: '^7.8.2' };
    writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'consumer', private: true, dependencies }));
    await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: app });
  }, INSTALLING);

  function nameOf(tarball: string): string {
    const name = tarball.replace(/-\d+\.\d+\.\d+.*$/, '');
    return name === 'nestjs-rsm' ? name : name.replace(/^nestjs-rsm-/, '@nestjs-rsm/');
  }

  function versionOf(name: string): string {
    const manifest = readFileSync(join(app, 'node_modules', name, 'package.json'), 'utf8');
    return (JSON.parse(manifest) as { version: string }).version;
  }

  function environment(): NodeJS.ProcessEnv {
    return { ...process.env, NODE_OPTIONS: '', RSM_DIRECTORY: join(app, 'rsm') };
  }

  async function consume(script: string): Promise<Report> {
    const { stdout } = await run(process.execPath, [join(app, script)], { cwd: app, env: environment() });
    return JSON.parse(/^REPORT (.*)$/m.exec(stdout)![1]!) as Report;
  }

  function check(report: Report): void {
    expect(report).toMatchObject({
      sum: 5,
      events: [{ id: 7 }],
      serverExit: 0,
      classes: { server: true, client: true, context: true },
    });
    expect(versionOf('@nestjs/microservices')).toMatch(expected);
    expect(JSON.stringify(report.lost)).toContain('There is no matching message handler');
    // What was packed, and nothing of this checkout.
    expect(report.loaded.startsWith(join(app, 'node_modules', 'nestjs-rsm'))).toBe(true);
    expect(readdirSync(join(app, 'rsm'))).toEqual([]);
  }

  it(
    'serves and asks as ES modules, with one Server class',
    async () => {
      const report = await consume('esm.mjs');
      check(report);
      expect(report.loaded).toContain(join('dist', 'esm'));
      expect(report).toMatchObject({ twoCopies: true, sameTransport: true, errorsKnown: true });
    },
    RUNNING,
  );

  it(
    'serves and asks as CommonJS, with one Server class',
    async () => {
      const report = await consume('commonjs.cjs');
      check(report);
      expect(report.loaded).toContain(join('dist', 'cjs'));
    },
    RUNNING,
  );

  it(
    'has one copy of each package, and no install script of ours',
    async () => {
      const copies = await run(
        'npm',
        ['ls', '--all', '--parseable', '@nestjs/microservices', 'nestjs-rsm', '@nestjs-rsm/segments', '@nestjs-rsm/native'],
        {
          cwd: app,
        },
      );
      const paths = copies.stdout
        .trim()
        .split('\n')
        .filter((path) => path !== app);
      expect(paths.map((path) => path.slice(join(app, 'node_modules').length + 1)).sort()).toEqual(
        ['@nestjs/microservices', 'nestjs-rsm', '@nestjs-rsm/segments', '@nestjs-rsm/native'].sort(),
      );
      for (const name of ['nestjs-rsm', '@nestjs-rsm/segments', '@nestjs-rsm/native']) {
        const { scripts = {} } = JSON.parse(readFileSync(join(app, 'node_modules', name, 'package.json'), 'utf8')) as {
          scripts?: Record<string, string>;
        };
        expect(Object.keys(scripts).filter((script) => ['preinstall', 'install', 'postinstall'].includes(script))).toEqual([]);
      }
    },
    RUNNING,
  );

  it.each(['commonjs', 'module'])(
    'compiles with types as %s, the quick start of the README too',
    async (type) => {
      const project = join(app, `types-${type}`);
      mkdirSync(project, { recursive: true });
      writeFileSync(join(project, 'package.json'), JSON.stringify({ type }));
      copyFileSync(join(CONSUMERS, 'types.ts'), join(project, 'types.ts'));
      for (const [path, text] of quickStart()) {
        mkdirSync(dirname(join(project, path)), { recursive: true });
        writeFileSync(join(project, path), text);
      }
      const compilerOptions = {
        target: 'es2022',
        module: 'nodenext',
        strict: true,
        noEmit: true,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
        skipLibCheck: true,
        types: ['node'],
        typeRoots: [join(ROOT, 'node_modules', '@types')],
      };
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['**/*.ts'] }));
      const result = await run(process.execPath, [binary('typescript', 'bin/tsc'), '-p', project]).catch(
        (error: { stdout: string }) => error,
      );
      expect(result.stdout).toBe('');
    },
    RUNNING,
  );

  if (nest === '11.2') {
    it(
      'works in a Jest test that runs as CommonJS',
      async () => {
        const config = {
          rootDir: app,
          testEnvironment: 'node',
          transform: {},
          testMatch: ['**/jest.case.cjs'],
          moduleFileExtensions: ['js', 'cjs', 'json', 'node'],
        };
        const args = [binary('jest', 'bin/jest.js'), '--config', JSON.stringify(config), '--no-cache'];
        const { stderr } = await run(process.execPath, args, { cwd: app, env: environment() });
        expect(stderr).toMatch(/Tests: +1 passed, 1 total/);
      },
      RUNNING,
    );
  }
});
