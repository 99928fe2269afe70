import { goalFor, isMet } from './goals.js';
import type { Machine } from './machine.js';
import { inFlight, nestPayload } from './payloads.js';
import { layerOf, type Layer, type PeerName } from './peers/index.js';
import type { ResultRow, Results } from './results.js';
import { pairedRatios, type Summary, summarize } from './statistics.js';
import { formatTable } from './table.js';
import { EVENTS_IN_FLIGHT } from './workloads/events.js';
import { REQUESTS_IN_FLIGHT } from './workloads/requests.js';

/** The peer that the others are compared with, where it was measured. */
const REFERENCE: PeerName = 'tcp';
const TITLES: Record<Layer, string> = { nest: 'Nest', raw: 'Without Nest' };

/** What a person reads at the end. */
export function formatReport(results: Results, machine: Machine, rounds: number): string {
  const peers = [...new Set(results.rows.map(({ peer }) => peer))];
  const tables = (['nest', 'raw'] as const).flatMap((layer) => {
    const members = peers.filter((peer) => layerOf(peer) === layer);
    return members.length === 0 ? [] : [`${TITLES[layer]}\n${layerTable(results, layer, members)}`];
  });
  return [formatMachine(machine), ...tables, legend(rounds)].join('\n\n');
}

function layerTable(results: Results, layer: Layer, peers: PeerName[]): string {
  const compared = peers.includes(REFERENCE) ? peers.filter((peer) => peer !== REFERENCE) : [];
  const head = ['workload', 'payload', 'metric', ...peers, ...compared.map((peer) => `${peer} / ${REFERENCE}`)];
  if (compared.length > 0) head.push('goal');
  const lines = results.rows
    .filter((row) => row.layer === layer && row.peer === results.rows.find((other) => sameMeasure(other, row))!.peer)
    .map((row) => {
      const of = (peer: PeerName): ResultRow | undefined => results.find(layer, row.workload, row.payload, row.metric.name, peer);
      const reference = of(REFERENCE);
      const ratios = compared.map((peer) => ratioOf(of(peer), reference));
      const cells = [
        workloadTitle(row),
        row.payload ?? '',
        `${row.metric.name} ${row.metric.unit}`,
        ...peers.map((peer) => withSpread(of(peer) && summarize(of(peer)!.values), formatNumber)),
        ...ratios.map((ratio) => withSpread(ratio, formatRatio)),
      ];
      if (compared.length > 0) cells.push(compared.map((peer, i) => formatGoal(of(peer), ratios[i])).join(' '));
      return cells;
    });
  return formatTable(head, lines, 3);
}

function sameMeasure(a: ResultRow, b: ResultRow): boolean {
  return a.layer === b.layer && a.workload === b.workload && a.payload === b.payload && a.metric.name === b.metric.name;
}

/** undefined: nothing to compare, or with nothing. */
function ratioOf(row: ResultRow | undefined, reference: ResultRow | undefined): Summary | undefined {
  if (!row || !reference || reference.values.some((value) => value === 0) || row.workload === 'idle') return undefined;
  return summarize(pairedRatios(row.values, reference.values));
}

function workloadTitle({ layer, workload, payload }: ResultRow): string {
  if (layer === 'raw' || payload === undefined) return workload;
  if (workload === 'requests') return `requests, ${inFlight(nestPayload(payload), REQUESTS_IN_FLIGHT)} in flight`;
  if (workload === 'events') return `events, batches of ${inFlight(nestPayload(payload), EVENTS_IN_FLIGHT)}`;
  return workload;
}

function formatGoal(row: ResultRow | undefined, ratio: Summary | undefined): string {
  const goal = row && goalFor(row, REFERENCE);
  if (!goal || !ratio) return '';
  return `${goal.bound === 'at most' ? '≤' : '≥'} ${goal.ratio} ${isMet(goal, ratio.median) ? 'met' : 'missed'}`;
}

function withSpread(summary: Summary | undefined, format: (value: number) => string): string {
  if (!summary) return '';
  return `${format(summary.median)} (${format(summary.low)}–${format(summary.high)})`;
}

/** Three digits, or all before the point. */
export function formatNumber(value: number): string {
  const decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

function formatRatio(value: number): string {
  return value >= 10 ? value.toFixed(1) : value >= 0.1 ? value.toFixed(2) : value.toFixed(4);
}

/** Load per core from which on the machine counts as busy. */
const BUSY = 0.5;

function formatMachine({ cpu, cores, memoryGiB, system, load, node, packages }: Machine): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  const busy = load / cores > BUSY ? ' (other processes were running: compare ratios only, and with care)' : '';
  return [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}`,
    `Node ${node}, ${versions.join(', ')}`,
    `Load in the minute before: ${load.toFixed(2)}${busy}`,
  ].join('\n');
}

function legend(rounds: number): string {
  return (
    `Median of ${rounds} rounds (lower–upper quartile); ratios are taken in each round. A round trip carries its payload both ways,\n` +
    'one at a time. Payloads are written and read on both ends. Events count where they are handled. Goals are information.'
  );
}
