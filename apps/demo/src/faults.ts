import type { Answers, Run } from './results.js';

/** What went wrong in a run, a line each; none when every event arrived once and unchanged. */
export function faultsOf(run: Run, flights: number): string[] {
  const { sent, received } = run.replay;
  const faults: string[] = [];
  if (sent.flights !== flights) {
    faults.push(`${sent.flights} of ${flights} flights were sent`);
  }
  if (received.flights !== sent.flights) {
    faults.push(`${sent.flights} events were sent, ${received.flights} received`);
  }
  if (received.missing > 0) {
    faults.push(`${received.missing} missing: ${sequences(received.firstMissing, received.missing)}`);
  }
  if (received.doubled > 0) {
    faults.push(`${received.doubled} doubled: ${sequences(received.firstDoubled, received.doubled)}`);
  }
  if (received.totalDelay !== sent.totalDelay) {
    faults.push(`the delays add up to ${received.totalDelay} minutes, not ${sent.totalDelay}`);
  }
  if (received.checksum !== sent.checksum) {
    faults.push(`the checksum of the delays is ${received.checksum}, not ${sent.checksum}`);
  }
  return faults.map((fault) => `${run.transport}: ${fault}`);
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
