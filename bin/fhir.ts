// The FHIR server as the configuration wants it.
import { type AccessScope, loadDefinitions } from '#fhir-model';
import { createFhirServer, type FhirServer, type FhirServerParts } from '#fhir-server';
import { type Config, type Db, type Jobs, type Log, listOf, type Metrics, systemClock } from '#platform';
import { createTerminology } from '#terminology';
import packageJson from '../package.json' with { type: 'json' };

/** Of HTTP callers with AUTH=open, and of the server itself. */
export const everything: AccessScope = { kind: 'everything' };

export interface FhirParts {
  config: Config;
  db: Db;
  log: Log;
  metrics: Metrics;
  /** Where long operations run; without it they are refused. */
  jobs?: Jobs;
  /** Whether the change feed is read in this process; default: it is. */
  readsFeed?: boolean;
}

/** What other rooms need to stand beside the server. */
export interface Found {
  baseUrl: string;
  resourceTypes: readonly string[];
  /** Asked for when it is needed: there is none yet. */
  server(): FhirServer;
}

/** What other rooms offer it. */
export type Beside = (
  parts: FhirParts,
  found: Found,
) => Pick<FhirServerParts, 'operations' | 'meanings' | 'admissions' | 'subscriptionTopics'>;

/** `http://127.0.0.1:8080`; an IPv6 address stands in brackets. */
export const rootUrlOf = ({ HOST }: Config, port: number): string =>
  `http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${port}`;

/** BASE_URL, or where the server is when it has this port. */
export const baseUrlOf = (config: Config, port: number): string =>
  (config.BASE_URL ?? `${rootUrlOf(config, port)}/fhir/R4`).replace(/\/+$/, '');

/** `/fhir/R4`, or the path of BASE_URL. */
export const basePathOf = (config: Config): string => new URL(baseUrlOf(config, 0)).pathname;

/** `ws://127.0.0.1:8080/fhir/R4/ws` */
export const webSocketUrlOf = (baseUrl: string): string => `${baseUrl.replace(/^http/, 'ws')}/ws`;

const remoteOf = ({ TERMINOLOGY_URL: url, TERMINOLOGY_TIMEOUT_MS: timeoutMs }: Config, log: Log) =>
  url === undefined ? undefined : { url, timeoutMs, log };

/** Of SCORES and SCORES_FILE. */
export const scoresOf = ({ SCORES, SCORES_FILE }: Config) => ({
  names: listOf(SCORES).filter((name) => name !== 'none'),
  ...(SCORES_FILE === undefined ? {} : { path: SCORES_FILE }),
});

/** Of VALIDATION and what goes with it. */
export const validationOf = ({ VALIDATION, VALIDATION_PROFILES, VALIDATION_RECORD }: Config) => ({
  levels: VALIDATION,
  profiles: VALIDATION_PROFILES,
  record: VALIDATION_RECORD,
});

/** Undefined: no email is sent. */
export const mailOf = ({ SMTP_URL, SMTP_FROM }: Config) =>
  SMTP_URL && SMTP_FROM ? { url: SMTP_URL, from: SMTP_FROM } : undefined;

/** With AUTH=open whoever may name an address reaches loopback anyway. */
export const egressAllowOf = ({ AUTH, EGRESS_ALLOW }: Config): string[] => [
  ...(AUTH === 'open' ? ['loopback'] : []),
  ...listOf(EGRESS_ALLOW),
];

/**
 * `baseUrl`: `http://127.0.0.1:8080/fhir/R4`. `beside` differs: a command that only stores does without the 35 MB of what
 * answers requests.
 */
export async function createFhir(parts: FhirParts, baseUrl: string, beside: Beside): Promise<FhirServer> {
  const { config, db, log, metrics, jobs, readsFeed } = parts;
  const definitions = await loadDefinitions();
  const { resourceTypes } = definitions;
  const server: FhirServer = await createFhirServer({
    db,
    definitions,
    terminology: (offer) => createTerminology({ db, clock: systemClock, remote: remoteOf(config, log), ...offer }),
    ...beside(parts, { baseUrl, resourceTypes, server: () => server }),
    log,
    metrics,
    clock: systemClock,
    baseUrl,
    softwareVersion: packageJson.version,
    scope: everything,
    readsFeed,
    expunge: config.EXPUNGE === 'on',
    ...(jobs ? { jobs } : {}),
    versionRequired: (config.VERSION_REQUIRED ?? '')
      .split(',')
      .map((type) => type.trim())
      .filter((type) => type !== ''),
    keepsLabels: config.UPDATE_LABELS === 'keep',
    cors: config.CORS_ORIGINS !== undefined,
    webSocketUrl: webSocketUrlOf(baseUrl),
    packageRegistry: config.PACKAGE_REGISTRY,
    validation: validationOf(config),
    limits: {
      bodyBytesMax: config.BODY_BYTES_MAX,
      bundleEntriesMax: config.BUNDLE_ENTRIES_MAX,
      searchCountDefault: config.SEARCH_COUNT_DEFAULT,
      searchCountMax: config.SEARCH_COUNT_MAX,
      searchTimeoutMs: config.SEARCH_TIMEOUT_MS,
      conditionalDeleteMax: config.CONDITIONAL_DELETE_MAX,
    },
  });
  return server;
}
