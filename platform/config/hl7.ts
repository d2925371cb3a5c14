// Variables of the HL7 v2 engine: docs/hl7.md
import { z } from 'zod';
import { integer, isTimeZone, kib, mib } from './variable.ts';

export const hl7Variables = {
  HL7_MESSAGE_BYTES_MAX: integer(10 * mib, kib, 256 * mib, 'Largest HL7v2 message; more is refused with AR'),
  HL7_TIME_ZONE: {
    schema: z.string().refine(isTimeZone),
    default: 'UTC',
    allowed: 'an IANA time zone such as Europe/Berlin',
    description: 'Time zone of HL7v2 timestamps that carry no offset',
  },
  HL7_SENDING_APPLICATION: {
    schema: z.string().regex(/^[A-Za-z0-9_.-]{1,20}$/),
    default: 'CEREBRA',
    allowed: '1 to 20 letters, digits, `_`, `.`, `-`',
    description: 'MSH-3 of HL7v2 messages that are made of resources; also names numbers that are our own ids',
  },
  HL7_SENDING_FACILITY: {
    schema: z.string().regex(/^[A-Za-z0-9_.-]{1,20}$/),
    default: 'CEREBRA',
    allowed: '1 to 20 letters, digits, `_`, `.`, `-`',
    description: 'MSH-4 of HL7v2 messages that are made of resources',
  },
  HL7_ROUTES_DIR: {
    schema: z.string().min(1).optional(),
    default: undefined,
    allowed: 'the path of a folder',
    description:
      'Folder of HL7v2 routes, a JSON file each, looked at every second; hl7-routes in DATA_DIR if it is not set; docs/hl7.md',
  },
  HL7_PROFILES_DIR: {
    schema: z.string().min(1).optional(),
    default: undefined,
    allowed: 'the path of a folder',
    description:
      'Folder of conformance profiles for HL7v2 (NIST XML), looked at every second; hl7-profiles in DATA_DIR if it is not set; docs/hl7.md',
  },
  HL7_LISTENERS: {
    schema: z.string().optional(),
    default: undefined,
    allowed: 'a JSON array of listeners, or the path of a file with one',
    description:
      'Ways in for HL7v2 beside MLLP_PORT and POST /hl7: MLLP listeners with TLS and limits of their own, HTTP endpoints, drop folders; docs/hl7.md',
  },
  HL7_DESTINATIONS: {
    schema: z.string().optional(),
    default: undefined,
    allowed: 'a JSON array of destinations, or the path of a file with one',
    description: 'Where HL7v2 messages are sent to, over MLLP, over HTTP or as files; docs/hl7.md',
  },
  HL7_OUTBOUND_RETENTION_HOURS: integer(168, 1, 87_600, 'Hours that delivered HL7v2 messages are kept in their queue'),
  HL7_OUTBOUND_HOST_MAX: integer(64, 1, 10_000, 'HL7v2 messages under way to one host at a time'),
  MLLP_FRAME_TIMEOUT_MS: integer(
    120_000,
    1_000,
    86_400_000,
    'Longest that an MLLP frame may take from its first byte to its end; its connection is then closed',
  ),
  HL7_JOURNAL_DAYS: integer(
    365,
    1,
    36_500,
    'Days that HL7v2 messages are kept in the journal which were stored, or failed and were resolved; sent again later they are new ones',
  ),
  HL7_JOURNAL_FILTERED_DAYS: integer(
    30,
    1,
    36_500,
    'Days that HL7v2 messages are kept which a route let go without effect',
  ),
  HL7_JOURNAL_FAILED_DAYS: integer(
    1095,
    1,
    36_500,
    'Days that HL7v2 messages are kept which failed and nobody has resolved; one with an open review is kept',
  ),
  MLLP_CONNECTIONS_MAX: integer(1000, 1, 100_000, 'MLLP connections at a time; more are refused'),
  MLLP_IDLE_TIMEOUT_MS: integer(3_600_000, 1_000, 86_400_000, 'MLLP connections silent for so long are closed'),
};
