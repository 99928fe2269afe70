export { DEFAULT_MAX_MESSAGE_SIZE, DEFAULT_SEGMENTS, PEEK_BYTES } from './defaults.js';
export { RsmError, type RsmErrorCode } from './errors.js';
export { Lane, Outcome } from './lanes.js';
export { checkDirectory, checkInteger, checkPolling, checkSegments, checkService } from './options.js';
export { QueueBudget } from './queue-budget.js';
export { Endpoint } from './endpoint.js';
export { Listener } from './listener.js';
export { Connector } from './connector.js';
export type { DirectoryRow, GroupRow, SegmentRow } from './tables.js';
export type {
  Connection,
  ConnectorOptions,
  EndpointEvents,
  EndpointOptions,
  ListenerOptions,
  Loan,
  MessageBatch,
  Peer,
  Polling,
  QueuedMessage,
  ReturnedMessage,
  SegmentGeometry,
  SendWatcher,
} from './types.js';
