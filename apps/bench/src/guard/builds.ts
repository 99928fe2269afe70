import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** A checkout that is installed and built. */
export interface Build {
  readonly name: 'base' | 'branch';
  /** The checkout's root. */
  readonly folder: string;
  /** The benchmark's compiled programs, with this checkout's libraries. Ends in a slash. */
  readonly programs: URL;
}

/** This checkout, as it is. */
export function branchBuild(): Build {
  const programs = new URL('../', import.meta.url);
  return { name: 'branch', folder: fileURLToPath(new URL('../../../', programs)), programs };
}

/** Runs git in the checkout and returns what it prints. Throws with what git said. */
export function git(folder: string, ...args: string[]): string {
  return execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** Where the base of this commit is checked out, installed and built, so that a later guard finds it. */
function baseFolder(commit: string): string {
  return join(tmpdir(), `nestjs-rsm-guard-${process.getuid?.() ?? 0}`, commit);
}

/**
 * The base's commit in a worktree of its own. Both builds run the benchmark of this branch, over their own libraries and addon: what the benchmark
 * itself costs is the same on both sides.
 */
export function baseBuild(branch: Build, commit: string, say: (text: string) => void): Build {
  const folder = baseFolder(commit);
  const done = join(folder, 'node_modules', '.guard-built');
  if (!existsSync(done)) {
    removeBase(branch, folder);
    say(`Checking out, installing and building ${commit.slice(0, 12)} in ${folder}`);
    mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
    git(branch.folder, 'worktree', 'add', '--detach', '--force', folder, commit);
    const run = (program: string, ...args: string[]): void => {
      try {
        execFileSync(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 1 << 26 });
      } catch (error) {
        const reason = String((error as { stderr?: Buffer }).stderr ?? error);
        throw new Error(`"${program} ${args.join(' ')}" failed in ${folder}:\n${reason}`, { cause: error });
      }
    };
    run('npm', 'ci', '--no-audit', '--no-fund');
    run(process.execPath, 'scripts/build.mjs');
    writeFileSync(done, commit);
  }
  const programs = join(folder, 'apps', 'bench', 'dist-guard');
  rmSync(programs, { recursive: true, force: true });
  cpSync(fileURLToPath(branch.programs), programs, { recursive: true });
  return { name: 'base', folder, programs: new URL(`${pathToFileURL(programs).href}/`) };
}

/** Removes the base's worktree. */
export function removeBase(branch: Build, folder: string): void {
  if (existsSync(folder)) {
    rmSync(folder, { recursive: true, force: true });
  }
  git(branch.folder, 'worktree', 'prune');
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'rsm-guard-'));
}
