// Configuration: environment variables, one schema. docs/configuration.md is generated from it.
import { z } from 'zod';
import { hl7Variables } from './config/hl7.ts';
import { fhirBase, integer, isTimeZone, kib, mib, oneOf, text, url, type Variable } from './config/variable.ts';
import { CerebraError } from './errors.ts';

/** Every variable. Limits carry their unit in the name. */
export const variables = {
  HOST: text('127.0.0.1', 'Address that HTTP, MLLP and the embedded MQTT broker listen on'),
  PORT: integer(8080, 0, 65535, 'HTTP port; 0 takes any free port'),
  BASE_URL: fhirBase(
    'Where clients reach the FHIR base, if not at http://HOST:PORT/fhir/R4: used in Location, links and fullUrl, and FHIR is answered at its path, not /admin, /alerts, /hl7 or /ws. Requests under a host name that is neither its own, nor localhost, nor an address, nor of CORS_ORIGINS get 403',
  ),
  MLLP_PORT: integer(2575, 0, 65535, 'Port for HL7v2 over MLLP; 0 takes any free port'),
  MQTT_PORT: integer(1883, 0, 65535, 'Port of the embedded MQTT broker, unless MQTT_URL is set; 0 takes any free port'),
  MQTT_URL: url(['mqtt:', 'mqtts:'], 'MQTT broker to take device readings from, instead of the embedded one'),
  DATABASE_URL: url(
    ['postgres:', 'postgresql:'],
    'PostgreSQL 15 or newer, with a database of encoding UTF8, to store in, instead of the embedded PostgreSQL 18 in DATA_DIR; in its password `@ : / ? # %` are written `%40 %3A %2F %3F %23 %25`',
  ),
  REDIS_URL: url(['redis:', 'rediss:'], 'Redis for the job queue, instead of PostgreSQL; run it with AOF persistence'),
  DATA_DIR: text('./data', 'Folder of the embedded PostgreSQL; created if it is not there'),
  AUTH: oneOf(
    'open',
    ['open', 'smart'],
    'Who may call: `open` is everybody who reaches the port, so it starts on a loopback HOST only; `smart` (SMART App Launch) is not in this version',
  ),
  LOG_LEVEL: oneOf('info', ['trace', 'debug', 'info', 'warn', 'error', 'silent'], 'Least level that is logged'),
  LOG_FORMAT: oneOf('json', ['json', 'pretty'], 'One JSON record a line, or one readable line'),
  WORKERS: integer(
    1,
    1,
    128,
    'HTTP worker processes, also `start --workers`; with 1 all is one process, with more each answers requests on the shared port',
  ),
  POOL_MAX: integer(
    20,
    2,
    1000,
    'Connections to PostgreSQL at most, those of all workers together (each gets 4 at least); the embedded one allows as many, and those of the queue',
  ),
  STATEMENT_TIMEOUT_MS: integer(30_000, 100, 3_600_000, 'Longest that one SQL statement may run'),
  IDLE_TRANSACTION_TIMEOUT_MS: integer(
    30_000,
    1_000,
    3_600_000,
    'Longest that a transaction waits for a server that stands still before PostgreSQL rolls it back; until then it holds notifications back',
  ),
  ACQUIRE_TIMEOUT_MS: integer(
    10_000,
    100,
    600_000,
    'Longest that a request waits for a database connection before it gets 503',
  ),
  SHUTDOWN_TIMEOUT_MS: integer(20_000, 100, 600_000, 'Longest that a shutdown waits for work in progress'),
  BODY_BYTES_MAX: integer(50 * mib, kib, 256 * mib, 'Largest HTTP request body; more gets 413'),
  BUNDLE_ENTRIES_MAX: integer(10_000, 1, 1_000_000, 'Most entries of a batch or transaction Bundle'),
  REQUEST_TIMEOUT_MS: integer(120_000, 1_000, 3_600_000, 'Longest that a client may take to send a request'),
  SEARCH_COUNT_DEFAULT: integer(20, 1, 10_000, 'Matches a page when a search has no _count'),
  SEARCH_COUNT_MAX: integer(1000, 1, 10_000, 'Matches a page at most, whatever _count says'),
  SEARCH_TIMEOUT_MS: integer(
    20_000,
    100,
    3_600_000,
    'Longest that a search may take; one that takes longer is stopped and answered with the issue too-costly',
  ),
  ...hl7Variables,
  MQTT_CLIENT_ID: text('cerebra', 'Session name at an external MQTT broker; each server needs its own'),
  MQTT_SHARE_GROUP: {
    schema: z
      .string()
      .regex(/^[^/+#]+$/)
      .optional(),
    default: undefined,
    allowed: 'a name without `/`, `+` and `#`',
    description:
      'Servers of one group share the readings of an external MQTT broker; without it each takes all, and what was stored already is left as it is. docs/devices.md tells what brokers lose of shared subscriptions',
  },
  MQTT_PAYLOAD_BYTES_MAX: integer(
    mib,
    kib,
    256 * mib,
    'Largest payload of device readings; more goes to the dead letters',
  ),
  MQTT_READINGS_MAX: integer(10_000, 1, 1_000_000, 'Most readings of one payload; more go to the dead letters'),
  MQTT_BATCH_MAX: integer(200, 1, 10_000, 'Most readings written in one transaction'),
  MQTT_CONNECTIONS_MAX: integer(10_000, 1, 1_000_000, 'Connections at a time to the embedded broker'),
  SUBSCRIPTION_RETRY_HOURS: integer(
    72,
    1,
    8760,
    'How long failed notifications are repeated, with growing pauses, before a Subscription goes to status error',
  ),
  SUBSCRIPTION_TLS: {
    schema: z.string().optional(),
    default: undefined,
    allowed: 'a file',
    description:
      'Certificates with which this server shows rest-hooks who it is, and authorities it trusts there: JSON with host names, and for each the PEM files `cert`, `key` and `ca`',
  },
  TERMINOLOGY_URL: url(
    ['http:', 'https:'],
    'FHIR R4 base of a terminology server that is asked for code systems and value sets that are not known here; it is told codes, never of whom',
  ),
  TERMINOLOGY_TIMEOUT_MS: integer(3_000, 100, 60_000, 'Longest that TERMINOLOGY_URL may take to answer'),
  SUBSCRIPTION_HOST_MAX: integer(
    16,
    1,
    1000,
    'Notifications under way to one host at a time; a host that fails gets one at a time, with pauses',
  ),
  SUBSCRIPTION_FULL_RESOURCE: oneOf(
    'secure',
    ['secure', 'any'],
    'Where notifications of topics with whole resources may go: `secure` is https, web sockets and loopback, `any` is also plain http and email',
  ),
  SMTP_URL: url(
    ['smtp:', 'smtps:'],
    'Mail server for Subscriptions with channel email, such as smtp://user:password@mail.example.org:587; without it such Subscriptions are refused',
  ),
  SMTP_FROM: {
    schema: z
      .string()
      .regex(/^[^<>\r\n]*<?[^\s<>@]+@[A-Za-z0-9.-]+>?$/)
      .optional(),
    default: undefined,
    allowed: 'an address such as `Cerebra <no-reply@example.org>`',
    description: 'Who emails of Subscriptions are from; needed with SMTP_URL',
  },
  KAFKA_BROKERS: {
    schema: z
      .string()
      .regex(/^\s*[^\s,:]+:\d{1,5}(\s*,\s*[^\s,:]+:\d{1,5})*\s*$/)
      .optional(),
    default: undefined,
    allowed: '`host:port`, separated by commas',
    description: 'Kafka, for KAFKA_CHANGES_TOPIC and for Subscriptions with channel kafka; without it there is none',
  },
  KAFKA_CHANGES_TOPIC: {
    schema: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,249}$/)
      .optional(),
    default: undefined,
    allowed: 'the name of a topic',
    description: 'Every committed change goes to this topic of Kafka; needs KAFKA_BROKERS',
  },
  KAFKA_TLS: oneOf('off', ['off', 'on'], 'Whether the brokers are spoken to through TLS'),
  KAFKA_SASL: {
    schema: z
      .string()
      .regex(/^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512):[^:]+:.+$/)
      .optional(),
    default: undefined,
    allowed: '`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`, then `:user:password`',
    description: 'How the server authenticates with the brokers',
    secret: true,
  },
  KAFKA_MESSAGE_BYTES_MAX: integer(
    1_000_000,
    kib,
    100 * mib,
    'Largest message for Kafka; a change with a larger resource goes without it. No more than message.max.bytes of the brokers',
  ),
  SCORES: {
    schema: z.string().regex(/^\s*(none|[a-z0-9-]+(\s*,\s*[a-z0-9-]+)*)\s*$/),
    default: 'news2,mews,qsofa,pews',
    allowed: 'names of scores, separated by commas, or `none`',
    description: 'Early warning scores that are computed whenever a vital sign arrives; docs/alerts.md',
  },
  SCORES_FILE: {
    schema: z.string().min(1).optional(),
    default: undefined,
    allowed: 'the path of a JSON file',
    description:
      'Scores and vital signs of the site beside the built-in ones, or instead of those of the same name; docs/alerts.md',
  },
  ALERT_ENDPOINTS: {
    schema: z.string().optional(),
    default: undefined,
    allowed: 'a JSON array of endpoints, or the path of a file with one',
    description:
      'Where alerts go beside email and web sockets: Slack, Microsoft Teams, PagerDuty, short messages, any program; docs/alerts.md',
  },
  ALERT_TIME_ZONE: {
    schema: z.string().refine(isTimeZone),
    default: 'UTC',
    allowed: 'an IANA time zone such as Europe/Berlin',
    description: 'Time zone of the hours in which people are on call (PractitionerRole.availableTime)',
  },
  ALERT_LINK_MINUTES: integer(60, 1, 10_080, 'How long the link in a message acknowledges its alert'),
  ALERT_RECIPIENT_MAX: integer(
    10,
    1,
    10_000,
    'Messages of alerts to one address within 10 minutes, three times that of critical ones; what is beyond becomes one message of many',
  ),
  ALERT_HISTORY_DAYS: integer(365, 1, 36_500, 'Days that the history of an escalation is kept after its end'),
  ALERT_MEMORY_DAYS: integer(
    60,
    31,
    36_500,
    'Days after which rules forget what they remember of a subject of whom nothing has come since; who comes back is read from the store anew',
  ),
  WEBSOCKET_CONNECTIONS_MAX: integer(10_000, 1, 1_000_000, 'Web sockets of Subscriptions at a time; more get 503'),
  WEBSOCKET_BINDINGS_MAX: integer(100, 1, 10_000, 'Subscriptions that one web socket may bind'),
  WEBSOCKET_HEARTBEAT_MS: integer(
    30_000,
    100,
    3_600_000,
    'How often web sockets get a ping frame; one that does not answer it for so long is cut',
  ),
  WEBSOCKET_IDLE_TIMEOUT_MS: integer(
    60_000,
    100,
    86_400_000,
    'A web socket that has nothing bound for so long is closed',
  ),
  SUBSCRIPTION_TIMEOUT_MS: integer(10_000, 100, 300_000, 'Longest that a subscriber may take to answer a notification'),
  EGRESS_ALLOW: {
    schema: z.string().optional(),
    default: undefined,
    allowed: 'a list with commas of `loopback`, `private` and address ranges such as 10.1.0.0/16',
    description:
      'Where Subscriptions may call beyond public addresses; loopback is allowed while AUTH=open, link-local and metadata addresses never are',
  },
  EXPUNGE: oneOf('off', ['off', 'on'], 'Whether $expunge may remove deleted resources and former versions for good'),
  CONDITIONAL_DELETE_MAX: integer(
    100,
    1,
    10_000,
    'Most resources that one conditional delete (DELETE Type?criteria) may remove; when more match, none is',
  ),
  VERSION_REQUIRED: {
    schema: z
      .string()
      .regex(/^\s*[A-Za-z]+(?:\s*,\s*[A-Za-z]+)*\s*$/)
      .optional(),
    default: undefined,
    allowed: '`all`, or a list with commas of resource types',
    description: 'Types of which an existing resource is changed or deleted only with If-Match; without it: 400',
  },
  UPDATE_LABELS: oneOf(
    'replace',
    ['replace', 'keep'],
    'What becomes of tags and security labels that an update (PUT) does not bring: `replace`: they go, as all else; `keep`: they stay until $meta-delete or a patch removes them',
  ),
  VALIDATION: text(
    'claimed',
    'What is checked of resources that are written, and by type: `off`; `structure`; `claimed`: also the profiles that meta.profile names and that are known. A list with commas: `structure,Patient=claimed,Binary=off`; docs/validation.md',
  ),
  VALIDATION_PROFILES: {
    schema: z.string().min(1).optional(),
    default: undefined,
    allowed: 'a list with commas of Type=canonical or Type=canonical|version',
    description: 'Profiles that resources of a type must conform to, whether they claim them or not',
  },
  VALIDATION_RECORD: {
    schema: z.string().min(1).optional(),
    default: undefined,
    allowed: '`all`, or a list with commas of resource types and canonical URLs of profiles',
    description:
      'Profiles whose faults do not keep a resource out: it is stored with the tag urn:cerebra:validation|nonconformant',
  },
  IG_PACKAGES: {
    schema: z.string().min(1).optional(),
    default: undefined,
    allowed: 'a list with commas of package archives (.tgz), folders and name#version',
    description:
      'FHIR packages that are loaded when the server has started, unless they are there already; docs/packages.md. What cannot be loaded is logged, and tried again at the next start',
  },
  PACKAGE_REGISTRY: url(
    ['http:', 'https:'],
    'Registry that FHIR packages are taken from, such as https://packages.fhir.org; without it no address is called for them',
  ),
  CORS_ORIGINS: {
    schema: z.string().refine(isOrigins).optional(),
    default: undefined,
    allowed: '`*`, or a list with commas of origins such as https://app.example.org',
    description:
      'Origins whose pages may call from a browser; without it only pages of this server may. Pages of other origins get no answer to read, and their requests that would change something are refused',
  },
  DELIVERY_RETENTION_DAYS: integer(7, 1, 3650, 'Days that records of delivered notifications are kept'),
  DEAD_LETTER_DAYS: integer(
    0,
    0,
    36_500,
    'Days that notifications are kept which could not be told: those that were set aside, and what a Subscription in error, or off, is owed; 0: for good',
  ),
  DEVICE_DEAD_LETTER_DAYS: integer(
    0,
    0,
    36_500,
    'Days that device messages are kept which were put aside, since the same one came last; 0: for good',
  ),
} as const satisfies Record<string, Variable>;

type Variables = typeof variables;
export type Config = { readonly [Name in keyof Variables]: z.output<Variables[Name]['schema']> };

/** `*`, or origins as browsers send them: https://www.rfc-editor.org/rfc/rfc6454#section-7 */
function isOrigins(text: string): boolean {
  if (text.trim() === '*') return true;
  return text
    .split(',')
    .every(
      (one) => /^https?:$/.test(URL.parse(one.trim())?.protocol ?? '') && URL.parse(one.trim())?.origin === one.trim(),
    );
}

/**
 * Reads the configuration. An empty variable counts as not set. Throws `config` naming every variable that is wrong,
 * its value and what is allowed; values that may hold passwords, those of URLs for instance, are left out.
 */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const problems: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries<Variable>(variables)) {
    const given = environment[name] || variable.default;
    const parsed = variable.schema.safeParse(given);
    if (parsed.success) config[name] = parsed.data;
    else problems.push(`${name}=${variable.secret ? '…' : given}: allowed is ${variable.allowed}`);
  }
  if (problems.length === 0) problems.push(...contradictions(config as Config));
  if (problems.length > 0) throw new CerebraError('config', problems.join('\n'));
  return config as Config;
}

function contradictions(config: Config): string[] {
  const problems: string[] = [];
  if (config.AUTH === 'smart') {
    problems.push('AUTH=smart: SMART App Launch is not available in this version; AUTH=open on a loopback HOST is');
  } else if (!isLoopback(config.HOST)) {
    problems.push(
      `HOST=${config.HOST}: with AUTH=open everybody who reaches the port reads and writes everything, so HOST must be a loopback address (127.0.0.1, ::1, localhost)`,
    );
  }
  if (config.SEARCH_COUNT_DEFAULT > config.SEARCH_COUNT_MAX) {
    problems.push(
      `SEARCH_COUNT_DEFAULT=${config.SEARCH_COUNT_DEFAULT}: allowed is at most SEARCH_COUNT_MAX=${config.SEARCH_COUNT_MAX}`,
    );
  }
  if ((config.SMTP_URL === undefined) !== (config.SMTP_FROM === undefined)) {
    problems.push('SMTP_URL and SMTP_FROM: either both are set or neither is');
  }
  if (config.KAFKA_CHANGES_TOPIC !== undefined && config.KAFKA_BROKERS === undefined) {
    problems.push('KAFKA_CHANGES_TOPIC: needs KAFKA_BROKERS');
  }
  return problems;
}

/** By its text alone: a name that merely resolves to a loopback address today is not one. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(host);
}

/** The manual page docs/configuration.md. */
export function configMarkdown(): string {
  const rows = Object.entries<Variable>(variables).map(([name, { default: value, allowed, description }]) => {
    const cells = [`\`${name}\``, value === undefined ? 'none' : `\`${value}\``, allowed, description];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return [
    '# Configuration',
    '',
    'Cerebra is configured by environment variables. Each has a default; an empty one counts as not set. A wrong value',
    'stops the start with a message that names it. This page is generated (`npm run docs`).',
    '',
    '| variable | default | allowed | what |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
