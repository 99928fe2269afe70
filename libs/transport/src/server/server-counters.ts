/** What an RsmServer has done since it was made. Plain numbers, read at any time. */
export interface RsmServerCounters {
  /** Events received, parked ones included. */
  events: number;
  /** Events of which a handler failed for good (released as failed). */
  failedEvents: number;
  /** Events given back for redelivery: nack() or RsmRetriableException. */
  nackedEvents: number;
  /** Events for which there is no handler. */
  unknownEvents: number;
  /** Events and requests given back unstarted while the server drained. */
  returnedMessages: number;
  /** Requests received. */
  requests: number;
  /** Requests for which there is no handler. */
  unknownRequests: number;
  /** Requests ended by their client (cancel frame), its departure, or their deadline. */
  cancelledRequests: number;
  /** Reply frames handed to a connection. */
  replies: number;
  /** Replies for clients that had gone, dropped. */
  droppedReplies: number;
  /** Requests that failed because their replies exceeded `maxQueuedBytes`. */
  backpressureErrors: number;
  /** Connections ended because their peer broke the protocol. */
  brokenConnections: number;
}

export function newServerCounters(): RsmServerCounters {
  return {
    events: 0,
    failedEvents: 0,
    nackedEvents: 0,
    unknownEvents: 0,
    returnedMessages: 0,
    requests: 0,
    unknownRequests: 0,
    cancelledRequests: 0,
    replies: 0,
    droppedReplies: 0,
    backpressureErrors: 0,
    brokenConnections: 0,
  };
}
