import { formatMachine, goalTable, LEGEND, absences, suiteTable } from './report.js';
import type { ResultFile } from './result-file.js';
import { resultsOf } from './result-file.js';
import type { Suite } from './suite.js';
import type { Table } from './table.js';

/** The report for a document. */
export function formatMarkdown(file: ResultFile, suites: readonly Suite[]): string {
  const results = resultsOf(file);
  const goals = goalTable(results, suites);
  const tables = suites.map((suite) => ({ suite, table: suiteTable(results, suite) })).filter(({ table }) => table.rows.length > 0);
  const rounds = `${file.settings.rounds} rounds, ${file.startedAt.slice(0, 10)}.`;
  return [
    [...formatMachine(file.machine), rounds].join('  \n'),
    ...(goals.rows.length > 0 ? [markdownTable(goals)] : []),
    ...tables.map(({ suite, table }) => [`**${suite.title}**`, markdownTable(table), ...(suite.note ? [suite.note] : [])].join('\n\n')),
    ...absences(results),
    LEGEND,
  ].join('\n\n');
}

export function markdownTable({ head, rows, leftColumns }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column < leftColumns ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
