export { RsmRecordBuilder } from './rsm-record.builder.js';
export { isRsmRecord, ROUTINGS, RsmRecord } from './rsm-record.js';
export type { RsmRecordOptions, RsmRouting } from './rsm-record.js';
