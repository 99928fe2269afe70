/** What an RsmClient has done since it was made. Plain numbers, read at any time. */
export interface RsmClientCounters {
  /** Events given to `emit`; a broadcast counts once. */
  events: number;
  /** Events that failed before they were committed. */
  failedEvents: number;
  /** Of these, the ones nobody had subscribed to. */
  unobservedFailures: number;
  /** Requests sent, once for each subscription. */
  requests: number;
  /** Requests that ended with an error of this side: timeout, lost connection, full queue, no instance. */
  failedRequests: number;
  /** Requests whose subscriber left or whose time ran out before the reply ended. */
  cancelledRequests: number;
  /** Reply frames received. */
  replies: number;
  /** Reply frames nobody waited for any more. */
  lateReplies: number;
  /** Events and requests sent again: returned, refused, or unfinished when their connection was lost. */
  redeliveries: number;
  /** Copies of broadcast events that their instance did not finish. */
  lostBroadcastCopies: number;
  /** Events given up, lost broadcast copies included. */
  deadLetters: number;
  /** Loans that were collected as garbage, neither sent nor given back. */
  lostLoans: number;
  /** Messages that were unfinished when `close()` ran out of time. */
  abandonedMessages: number;
  /** Connections opened. */
  connections: number;
  /** Connections ended because their instance broke the protocol. */
  brokenConnections: number;
}

export function newClientCounters(): RsmClientCounters {
  return {
    events: 0,
    failedEvents: 0,
    unobservedFailures: 0,
    requests: 0,
    failedRequests: 0,
    cancelledRequests: 0,
    replies: 0,
    lateReplies: 0,
    redeliveries: 0,
    lostBroadcastCopies: 0,
    deadLetters: 0,
    lostLoans: 0,
    abandonedMessages: 0,
    connections: 0,
    brokenConnections: 0,
  };
}
