import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, unlinkSync, type Stats } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { codeOf, RsmError } from './errors.js';

/** What a listener's socket is called in its service's folder: `<instance>.sock`. */
export const SOCKET_SUFFIX = '.sock';
const TEMPORARY_SUFFIX = '.sock.tmp';
/** A listener binds and listens within moments; a refusing temporary name older than this was left by a crash. */
const TEMPORARY_AGE_MS = 60_000;

const OTHERS = 0o007;
const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

function ownUid(): number {
  return process.getuid?.() ?? 0;
}

function octal(stats: Stats): string {
  return (stats.mode & 0o7777).toString(8).padStart(4, '0');
}

function denied(message: string, cause?: unknown): RsmError {
  return new RsmError('RSM_PERMISSION_DENIED', message, { cause });
}

/** An RsmError for a failed file system call. */
export function folderError(error: unknown, what: string): RsmError {
  const code = codeOf(error) ?? 'unknown error';
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return denied(`${what}: ${code}. Give a directory that this user may use (option directory or RSM_DIRECTORY).`, error);
  return new RsmError('RSM_UNREACHABLE', `${what}: ${code}. Check the directory and its file system.`, { cause: error });
}

/** lstat, or undefined where nothing is there. */
function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw folderError(error, `Cannot look at ${path}`);
  }
}

function checkKindAndOwner(path: string, stats: Stats, uids: readonly number[]): void {
  if (stats.isSymbolicLink()) throw denied(`${path} is a symbolic link; whoever made it could lead messages elsewhere. Use the real path.`);
  if (!stats.isDirectory()) throw denied(`${path} is not a folder. Remove it or use another directory.`);
  if (stats.uid !== 0 && !uids.includes(stats.uid))
    throw denied(`${path} belongs to user ${stats.uid}; allowed are root and ${uids.join(', ')}. Use another directory.`);
}

/** The directory above the services' folders: ours or root's, and nobody else may replace what is in it. */
function checkBase(path: string, stats: Stats, uids: readonly number[]): void {
  checkKindAndOwner(path, stats, uids);
  const writable = (stats.mode & (GROUP_WRITE | OTHERS_WRITE)) !== 0;
  if (writable && (stats.mode & STICKY) === 0)
    throw denied(`Others may write to ${path} (mode ${octal(stats)}). Run chmod go-w ${path}, or use another directory.`);
}

/** A service's folder as this side promised it: 0700, or 2750 with a group. */
function checkServiceFolder(path: string, stats: Stats, uids: readonly number[], gid: number | undefined): void {
  checkKindAndOwner(path, stats, uids);
  const tooOpen = gid === undefined ? 0o077 : OTHERS | GROUP_WRITE;
  if ((stats.mode & tooOpen) !== 0) {
    const mode = gid === undefined ? '0700' : '2750';
    throw denied(`${path} is open to more users than promised (mode ${octal(stats)}). Run chmod ${mode} ${path}.`);
  }
  if (gid !== undefined && (stats.gid !== gid || (stats.mode & 0o050) !== 0o050))
    throw denied(`${path} (mode ${octal(stats)}, group ${stats.gid}) is closed to group ${gid}. Run chgrp ${gid} and chmod 2750 on it.`);
}

/** Makes one folder with 0700, or 2750 of a group. False if something is there already. */
function makeFolder(path: string, gid: number | undefined): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  if (gid !== undefined) {
    // Group first: chown clears the set-group-id bit.
    chownSync(path, -1, gid);
    chmodSync(path, 0o2750);
  }
  return true;
}

/**
 * Makes `<directory>/<service>` where it is missing and verifies owner, mode and kind of both, whoever made them.
 * `gid`: the group that may enter. Throws RSM_PERMISSION_DENIED or RSM_UNREACHABLE; returns the service's folder.
 */
export function prepareServiceFolder(directory: string, service: string, gid?: number): string {
  const folder = join(directory, service);
  const uids = [ownUid()];
  try {
    if (!existsSync(directory)) {
      mkdirSync(join(directory, '..'), { recursive: true, mode: 0o700 });
      makeFolder(directory, gid);
    }
    const base = look(directory);
    if (base) checkBase(directory, base, uids);
    if (base && gid !== undefined && (base.mode & 0o001) === 0 && (base.gid !== gid || (base.mode & 0o010) === 0))
      throw denied(
        `Group ${gid} cannot enter ${directory} (mode ${octal(base)}). Run chgrp ${gid} and chmod 2750 on it, or use another directory.`,
      );
    makeFolder(folder, gid);
  } catch (error) {
    if (RsmError.is(error)) throw error;
    throw folderError(error, `Cannot make the folder ${folder}${gid === undefined ? '' : ` for group ${gid}`}`);
  }
  const stats = look(folder);
  if (stats) checkServiceFolder(folder, stats, uids, gid);
  return folder;
}

/**
 * What a connector demands of a service's folder before it uses the sockets in it: made by the own user, root or one of `uids`, and
 * writable for nobody else. A missing folder is fine. Throws RSM_PERMISSION_DENIED or RSM_UNREACHABLE.
 */
export function verifyServiceFolder(directory: string, folder: string, uids: readonly number[]): void {
  const trusted = [ownUid(), ...uids];
  const base = look(directory);
  if (base) checkBase(directory, base, trusted);
  const stats = look(folder);
  if (!stats) return;
  checkKindAndOwner(folder, stats, trusted);
  if ((stats.mode & (GROUP_WRITE | OTHERS_WRITE)) !== 0)
    throw denied(`Others may write to ${folder} (mode ${octal(stats)}). Run chmod go-w ${folder}, or use another directory.`);
}

/** True where `path` is a socket (not a link to one). */
export function isSocket(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
  } catch {
    return false;
  }
}

/** Removes the socket of a listener that is gone. Never anything but a socket; failing is harmless, the next finder tries again. */
export function unlinkSocket(path: string): void {
  if (!isSocket(path)) return;
  try {
    unlinkSync(path);
  } catch {
    // Somebody else removed it, or may do so where we may not.
  }
}

/** Removes the sockets in `folder` that nobody listens on any more. Resolves to their number. */
export async function removeRefusedSockets(folder: string, except: string): Promise<number> {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return 0;
  }
  let removed = 0;
  for (const name of names) {
    const path = join(folder, name);
    if (path === except || !isCandidate(path, name)) continue;
    if (await refuses(path)) {
      unlinkSocket(path);
      removed++;
    }
  }
  return removed;
}

function isCandidate(path: string, name: string): boolean {
  if (name.endsWith(SOCKET_SUFFIX)) return isSocket(path);
  if (!name.endsWith(TEMPORARY_SUFFIX)) return false;
  // Between bind and listen a living listener refuses too.
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && stats.isSocket() && Date.now() - stats.mtimeMs > TEMPORARY_AGE_MS;
}

function refuses(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (refused: boolean): void => {
      socket.destroy();
      resolve(refused);
    };
    socket.once('connect', () => end(false));
    socket.once('error', (error) => end(codeOf(error) === 'ECONNREFUSED'));
  });
}

/** Removes a service's folder if nothing is in it. */
export async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch {
    // Other instances are in it, or it has gone already.
  }
}
