import { describe, expect, it } from '@jest/globals';
import { chooseFrom, type Selection } from './selection.js';
import type { Measurement, Subject, Suite } from './suite.js';

const subject = (name: string, more: Partial<Subject> = {}): Subject => ({ name, start: () => Promise.reject(new Error(name)), ...more });
const measurement = (name: string, parameter: string, quick = false): Measurement => ({ name, parameter, metrics: [], quick });
const suite: Suite = {
  name: 'nest',
  title: 'Nest',
  parameter: 'payload',
  subjects: [
    subject('rsm', { quick: true }),
    subject('tcp', { quick: true }),
    subject('grpc', { measures: ({ name }) => name !== 'events' }),
  ],
  measurements: [measurement('round-trip', '64B', true), measurement('round-trip', '1kB'), measurement('events', '64B')],
};

function chosen(selection: Partial<Selection>): { subjects: string[]; measurements: string[]; pairs: number } | undefined {
  const choice = chooseFrom(suite, { full: false, ...selection });
  return (
    choice && {
      subjects: choice.subjects.map(({ name }) => name),
      measurements: choice.measurements.map(({ name, parameter }) => `${name} ${parameter}`),
      pairs: choice.pairs,
    }
  );
}

describe('chooseFrom', () => {
  it('takes what is quick, or all', () => {
    expect(chosen({})).toEqual({ subjects: ['rsm', 'tcp'], measurements: ['round-trip 64B'], pairs: 2 });
    expect(chosen({ full: true })).toMatchObject({ subjects: ['rsm', 'tcp', 'grpc'], pairs: 8 });
  });

  it('takes what is named, quick or not', () => {
    expect(chosen({ subjects: ['grpc'] })).toEqual({ subjects: ['grpc'], measurements: ['round-trip 64B'], pairs: 1 });
    expect(chosen({ measurements: ['events'] })).toMatchObject({ measurements: ['events 64B'] });
    expect(chosen({ parameters: ['1kB'] })).toMatchObject({ measurements: ['round-trip 1kB'] });
  });

  it('is nothing where no subject takes part', () => {
    expect(chosen({ suites: ['other'] })).toBeUndefined();
    expect(chosen({ subjects: ['grpc'], measurements: ['events'] })).toBeUndefined();
    expect(chosen({ parameters: ['1MiB'] })).toBeUndefined();
  });
});
