import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';

/** On what was measured, and how busy it was at the start. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  system: string;
  /** Processes that wanted a core in the minute before. */
  load: number;
  node: string;
  /** Versions of the packages that matter. */
  packages: Record<string, string>;
}

/** Of npm. */
const PACKAGES = ['nestjs-rsm', '@nestjs/core', '@nestjs/microservices', 'ioredis', '@nats-io/transport-node', 'amqplib', '@grpc/grpc-js'];
/** Of Debian. */
const SERVERS = ['redis-server', 'nats-server', 'rabbitmq-server'];

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? process.arch,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()} ${process.arch}`,
    load: loadavg()[0]!,
    node: process.version,
    packages: Object.fromEntries([...PACKAGES.map((name) => [name, versionOf(name)]), ...serverVersions()]),
  };
}

/** [name, version] of those that are installed as Debian packages. */
function serverVersions(): string[][] {
  const { stdout } = spawnSync('dpkg-query', ['--show', '--showformat=${Package} ${Version}\\n', ...SERVERS], { encoding: 'utf8' });
  return (stdout ?? '')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, version]) => version);
}

/** Past the package's exports, which need not name its package.json. */
function versionOf(name: string): string {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const manifest = folders.map((folder) => join(folder, name, 'package.json')).find((path) => existsSync(path));
  return manifest ? (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version : 'unknown';
}
