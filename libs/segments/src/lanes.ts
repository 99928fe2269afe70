/**
 * Which way a message takes on the receiver's side.
 * `immediate`: delivered at once, needs no settling (answers, notices). `events`: counted against the listener's event credit.
 * `requests`: counted against the request credit of its connection.
 */
export const Lane = { immediate: 0, events: 1, requests: 2 } as const;
export type Lane = 0 | 1 | 2;

/**
 * How a message ended. `done`: handled. `failed`: handled, with an error. `nack`: refused after it had started.
 * `returned`: given back without having been started.
 */
export const Outcome = { done: 1, failed: 2, nack: 3, returned: 4 } as const;
export type Outcome = 1 | 2 | 3 | 4;
