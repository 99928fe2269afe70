import type { Measurement, Subject, Suite } from './suite.js';

/** What of the suites shall be measured. undefined: all that the form has. */
export interface Selection {
  readonly full: boolean;
  readonly suites?: readonly string[];
  readonly subjects?: readonly string[];
  readonly measurements?: readonly string[];
  readonly parameters?: readonly string[];
}

/** The part of a suite that shall be measured. */
export interface Choice {
  readonly suite: Suite;
  readonly subjects: readonly Subject[];
  readonly measurements: readonly Measurement[];
  /** Pairs of a subject and a measurement it takes part in. */
  readonly pairs: number;
}

/** What is named is measured even where it is no part of the quick form. undefined: nothing. */
export function chooseFrom(suite: Suite, selection: Selection): Choice | undefined {
  const { full, suites, subjects: names, measurements: only, parameters } = selection;
  if (suites && !suites.includes(suite.name)) return undefined;
  const subjects = suite.subjects.filter(({ name, quick }) => (names ? names.includes(name) : full || quick));
  const named = only !== undefined || parameters !== undefined;
  const measurements = suite.measurements
    .filter(({ quick }) => full || quick || named)
    .filter(({ name, parameter }) => (only?.includes(name) ?? true) && (parameters?.includes(parameter) ?? true));
  const pairs = measurements.flatMap((one) => subjects.filter((subject) => subject.measures?.(one) !== false)).length;
  return pairs === 0 ? undefined : { suite, subjects, measurements, pairs };
}
