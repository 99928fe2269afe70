import { judge, type GoalResult } from './goals.js';
import type { Machine } from './machine.js';
import type { ResultRow, Results } from './results.js';
import { pairedRatios, type Summary, summarize } from './statistics.js';
import type { Suite } from './suite.js';
import { type Table, formatTable } from './table.js';

/** What a person reads at the end. */
export function formatReport(results: Results, machine: Machine, suites: readonly Suite[]): string {
  const tables = suites.map((suite) => ({ suite, table: suiteTable(results, suite) })).filter(({ table }) => table.rows.length > 0);
  return [
    formatMachine(machine).join('\n'),
    ...tables.map(({ suite, table }) => [suite.title, formatTable(table), ...(suite.note ? [suite.note] : [])].join('\n')),
    ...goalSection(results, suites).map((table) => `Goals (information: they decide nothing)\n${formatTable(table)}`),
    ...absences(results),
    LEGEND,
  ].join('\n\n');
}

export const LEGEND =
  'Medians of all rounds (lower–upper quartile; or ± half of what lies between them). A ratio is taken in each round; then the median of the ratios.';

/** Beyond so many subjects a table is too wide for columns of ratios. */
const MOST_WIDE = 3;

/** A row for each measurement and metric, a column for each subject, and one for its ratio to the suite's reference. */
export function suiteTable(results: Results, suite: Suite): Table {
  const rows = results.rows.filter((row) => row.suite === suite.name);
  const subjects = suite.subjects.map(({ name }) => name).filter((name) => rows.some((row) => row.subject === name));
  const { reference } = suite;
  const compared = reference && subjects.includes(reference) ? subjects.filter((name) => name !== reference) : [];
  const measures = rows.filter((row) => row === rows.find((other) => sameMeasure(other, row)));
  const narrow = subjects.length > MOST_WIDE;
  const lines = measures.map((row) => {
    const of = (subject: string): ResultRow | undefined => results.find({ ...row, subject, metric: row.metric.name });
    const summary = (name: string): Summary | undefined => of(name) && summarize(of(name)!.values);
    const ratio = (name: string): Summary | undefined => (compared.includes(name) ? ratioOf(of(name), of(reference!)) : undefined);
    const figures = narrow
      ? subjects.map((name) => narrowCell(summary(name), ratio(name)))
      : [
          ...subjects.map((name) => withSpread(summary(name), formatNumber)),
          ...compared.map((name) => withSpread(ratio(name), formatRatio)),
        ];
    return [row.measurement, row.parameter, `${row.metric.name} ${row.metric.unit}`, ...figures];
  });
  const ratioHead = narrow ? [] : compared.map((name) => `${name} / ${reference}`);
  const subjectHead = narrow ? subjects.map((name) => (compared.includes(name) ? `${name} (/${reference})` : name)) : subjects;
  return { head: ['', suite.parameter, '', ...subjectHead, ...ratioHead], leftColumns: 3, rows: lines };
}

/** `12.3 ±4% (0.12)`: median, spread, ratio to the reference. */
function narrowCell(summary: Summary | undefined, ratio: Summary | undefined): string {
  if (!summary) return '';
  const { median, low, high } = summary;
  const spread = median === 0 ? '' : ` ±${Math.round(((high - low) / 2 / median) * 100)}%`;
  return `${formatNumber(median)}${spread}${ratio ? ` (${formatRatio(ratio.median)})` : ''}`;
}

function sameMeasure(a: ResultRow, b: ResultRow): boolean {
  return a.measurement === b.measurement && a.parameter === b.parameter && a.metric.name === b.metric.name;
}

/** undefined: nothing to compare, or with nothing. */
function ratioOf(row: ResultRow | undefined, reference: ResultRow | undefined): Summary | undefined {
  if (!row || !reference || reference.values.some((value) => value === 0)) return undefined;
  return summarize(pairedRatios(row.values, reference.values));
}

/** A row for each goal whose rows were measured. */
export function goalTable(results: Results, suites: readonly Suite[]): Table {
  const judged = suites.flatMap((suite) => (suite.goals ?? []).map((goal) => judge(goal, results, suite.name)));
  return {
    head: ['', 'goal', 'measured', ''],
    leftColumns: 1,
    rows: judged
      .filter((result) => result !== undefined)
      .map((result) => [
        result.goal.title,
        `${result.goal.bound === 'at most' ? '≤' : '≥'} ${result.goal.value}${unitOf(result)}`,
        withSpread(result.measured, result.goal.to ? formatRatio : formatNumber),
        result.met ? 'met' : 'missed',
      ]),
  };
}

function unitOf({ unit }: GoalResult): string {
  return unit === undefined ? '' : ` ${unit}`;
}

function goalSection(results: Results, suites: readonly Suite[]): Table[] {
  const table = goalTable(results, suites);
  return table.rows.length === 0 ? [] : [table];
}

/** Who is missing, and why. */
export function absences(results: Results): string[] {
  return results.absences.map(
    ({ suite, subject, reason, failed }) => `${failed ? 'FAILED' : 'Left out'}: ${subject} (${suite}): ${reason}`,
  );
}

export function withSpread(summary: Summary | undefined, format: (value: number) => string): string {
  if (!summary) return '';
  return `${format(summary.median)} (${format(summary.low)}–${format(summary.high)})`;
}

/** Three digits, or all before the point. */
export function formatNumber(value: number): string {
  const decimals = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 || value === 0 ? 2 : 4;
  return value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

export function formatRatio(value: number): string {
  return value >= 10 ? value.toFixed(1) : value >= 0.1 ? value.toFixed(2) : value.toFixed(4);
}

/** Load per core from which on the machine counts as busy. */
const BUSY = 0.5;

export function formatMachine({ cpu, cores, memoryGiB, system, load, node, packages }: Machine): string[] {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  const busy = load / cores > BUSY ? ' (other processes were running: compare ratios only, and with care)' : '';
  return [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}`,
    `Node ${node}, ${versions.join(', ')}`,
    `Load in the minute before: ${load.toFixed(2)}${busy}`,
  ];
}
