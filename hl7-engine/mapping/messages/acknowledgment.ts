// Acknowledgments that come in as messages of their own: HL7 v2.9 chapter 2.13.1. They are journalled, change nothing and are
// never answered; what is sent by this engine is acknowledged on the connection that it was sent on.
import { type MessageMap, messageMap } from '../message-map.ts';

const shared = { structures: ['ACK'], events: [''], anyEvent: true, reads: ['MSA', 'ERR'], run() {} } as const;

export const acknowledgmentMaps: readonly MessageMap[] = [
  messageMap({ ...shared, code: 'ACK' }),
  messageMap({ ...shared, code: 'MCF' }),
];
