import type { Answers, KillRun, Replay, Run } from './results.js';

/** What went wrong in an undisturbed run, a line each; none when every event arrived once and unchanged. */
export function faultsOf(run: Run, flights: number): string[] {
  const { sent, received, repeated } = run.replay;
  const faults: string[] = [];
  if (sent.flights !== flights) {
    faults.push(`${sent.flights} of ${flights} flights were sent`);
  }
  if (repeated > 0) {
    faults.push(`${repeated} emits failed`);
  }
  if (received.doubled > 0) {
    faults.push(`${received.doubled} doubled: ${sequences(received.firstDoubled, received.doubled)}`);
  }
  return [...faults, ...lossesOf(run.replay)].map((fault) => `${run.transport}: ${fault}`);
}

/**
 * What went wrong in a run whose consumer was killed. Over segments every event must have been handled, some perhaps twice; Nest's TCP transport makes
 * no such promise, so what it lost is shown in the report and is no fault.
 */
export function killFaultsOf({ transport, replay }: KillRun): string[] {
  const { sent, received } = replay;
  const faults = transport === 'rsm' ? lossesOf(replay) : [];
  if (received.recovered >= sent.flights) {
    faults.push(`all ${sent.flights} events had been handled before the kill`);
  }
  return faults.map((fault) => `${transport}, with the kill: ${fault}`);
}

function lossesOf({ sent, received }: Replay): string[] {
  const faults: string[] = [];
  if (received.flights !== sent.flights) {
    faults.push(`${sent.flights} events were sent, ${received.flights} received`);
  }
  if (received.missing > 0) {
    faults.push(`${received.missing} missing: ${sequences(received.firstMissing, received.missing)}`);
  }
  if (received.totalDelay !== sent.totalDelay) {
    faults.push(`the delays add up to ${received.totalDelay} minutes, not ${sent.totalDelay}`);
  }
  if (received.checksum !== sent.checksum) {
    faults.push(`the checksum of the delays is ${received.checksum}, not ${sent.checksum}`);
  }
  return faults;
}

/** In what the answers over two transports differ. */
export function differencesOf(one: Run, other: Run): string[] {
  const keys: (keyof Answers)[] = ['top', 'map', 'query'];
  return keys
    .filter((key) => JSON.stringify(one.answers[key]) !== JSON.stringify(other.answers[key]))
    .map((key) => `${one.transport} and ${other.transport} answer differently: ${key}`);
}

function sequences(named: number[], count: number): string {
  return `sequence ${named.join(', ')}${count > named.length ? ', …' : ''}`;
}
