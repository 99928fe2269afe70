import { freePort } from '../free-port.js';
import type { NestPlace } from '../nest/peers/index.js';
import { nestWorkloads } from '../nest/workloads/index.js';
import { rawWorkloads } from '../below/workloads/index.js';
import { Pair } from '../pair.js';
import type { Measurement, Subject, Suite } from '../suite.js';
import type { Metric } from '../suite.js';
import type { Build } from './builds.js';

const NEST = ['round-trip 64B', 'requests 64B', 'events 64B', 'events 4kB', 'round-trip 64kB', 'round-trip 1MiB'];
const SEGMENTS = ['round-trip 64B', 'one-way 64B', 'one-way 64kB'];

function measurements(names: readonly string[], workloads: readonly { readonly name: string; readonly metrics: readonly Metric[] }[]) {
  return names.map((text): Measurement => {
    const [name, parameter] = text.split(' ') as [string, string];
    return { name, parameter, metrics: workloads.find((workload) => workload.name === name)!.metrics };
  });
}

function subject(build: Build, layer: 'nest' | 'below', peer: string): Subject {
  const programs = { server: new URL(`${layer}/server.js`, build.programs), client: new URL(`${layer}/client.js`, build.programs) };
  return {
    name: build.name,
    async start(place) {
      const nestPlace: NestPlace = { ...place, port: await freePort() };
      return Pair.start({ ...programs, label: `${build.name} ${peer}`, arguments: [peer] }, place, nestPlace);
    },
  };
}

/** The same measurements over both builds, in the same rounds. */
export function guardSuites(builds: readonly Build[]): Suite[] {
  return [
    {
      name: 'Nest',
      title: 'Nest',
      parameter: 'payload',
      subjects: builds.map((build) => subject(build, 'nest', 'rsm')),
      measurements: measurements(NEST, nestWorkloads),
    },
    {
      name: 'segments',
      title: 'Without Nest',
      parameter: 'payload',
      subjects: builds.map((build) => subject(build, 'below', 'segments')),
      measurements: measurements(SEGMENTS, rawWorkloads),
    },
  ];
}
