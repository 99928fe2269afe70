import type { History } from './history.js';
import type { Verdict } from './judge.js';
import { type Fault, FAULTS } from './plan.js';
import type { SoakProcess } from './processes.js';

/** The figures of a run. */
export function printVerdict(
  verdict: Verdict,
  history: History,
  faults: ReadonlyMap<Fault, number>,
  processes: readonly SoakProcess[],
): void {
  const { events, requests, movedBack, wakes } = verdict;
  const ended = (role: string, how: string): number => processes.filter((one) => one.role === role && one.ended === how).length;
  console.log(`
Faults     ${FAULTS.map((fault) => `${fault}: ${faults.get(fault) ?? 0}`).join(', ')}
Processes  servers ${history.servers.length} (${ended('server', 'killed')} killed with -9, ${ended('server', 'closed')} ended in order), clients ${history.clients.length} (${ended('client', 'killed')} killed with -9, ${ended('client', 'closed')} ended in order)
Events     sent ${events.sent}, completed ${events.completed}, failed ${codes(events.failed)}, handled ${events.handled}, lost ${events.lost}
           handled twice after a kill (allowed) ${events.allowedDuplicates}, repeated without leave ${events.otherDuplicates}, begun again after a kill or nack ${events.begunAgain}, nacked ${events.nacked}, moved behind newer ones by the end of their instance ${movedBack}
           broadcasts ${events.broadcasts} (${events.copies} copies handled), dead letters ${events.deadLetters}, of killed clients: unsettled ${events.unsettled}, gone with both ends ${events.goneWithBothEnds}, gone while waiting for another attempt ${events.goneBeforeRetry}
Requests   sent ${requests.sent}, answered ${requests.answered}, failed ${codes(requests.failed)}, begun again (idempotent) ${requests.again}, of killed clients unsettled ${requests.unsettled}
Wakes      ${history.wakes.length === 0 ? 'not looked at: the addon is an ordinary one' : `checks ${wakes.checks} in ${history.wakes.length} processes, missed ${wakes.missed}`}`);
}

function codes(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts);
  const all = entries.reduce((sum, [, count]) => sum + count, 0);
  return entries.length === 0 ? '0' : `${all} (${entries.map(([code, count]) => `${code}: ${count}`).join(', ')})`;
}
