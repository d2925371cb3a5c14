// The FHIR server as the configuration wants it.
import { type AccessScope, loadDefinitions } from '#fhir-model';
import { createFhirServer, type FhirServer } from '#fhir-server';
import { hl7Operations } from '#hl7-engine';
import { type Config, type Db, type Jobs, type Log, type Metrics, systemClock } from '#platform';
import {
  activeTopicUrls,
  alertEndpointNames,
  subscriptionMeanings,
  subscriptionOperations,
  triageOperation,
} from '#subscriptions';
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

/** `http://127.0.0.1:8080`; an IPv6 address stands in brackets. */
export const rootUrlOf = ({ HOST }: Config, port: number): string =>
  `http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${port}`;

/** BASE_URL, or where the server is when it has this port. */
export const baseUrlOf = (config: Config, port: number): string =>
  (config.BASE_URL ?? `${rootUrlOf(config, port)}/fhir/R4`).replace(/\/+$/, '');

/** `ws://127.0.0.1:8080/fhir/R4/ws` */
export const webSocketUrlOf = (baseUrl: string): string => `${baseUrl.replace(/^http/, 'ws')}/ws`;

const remoteOf = ({ TERMINOLOGY_URL: url, TERMINOLOGY_TIMEOUT_MS: timeoutMs }: Config, log: Log) =>
  url === undefined ? undefined : { url, timeoutMs, log };

/** `a, b` → a and b. */
export const listOf = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** Of SCORES and SCORES_FILE. */
export const scoresOf = ({ SCORES, SCORES_FILE }: Config) => ({
  names: listOf(SCORES).filter((name) => name !== 'none'),
  ...(SCORES_FILE === undefined ? {} : { path: SCORES_FILE }),
});

/** With AUTH=open whoever may name an address reaches loopback anyway. */
export const egressAllowOf = ({ AUTH, EGRESS_ALLOW }: Config): string[] => [
  ...(AUTH === 'open' ? ['loopback'] : []),
  ...listOf(EGRESS_ALLOW),
];

/** `server`: asked for when an operation is called. */
const hl7OperationsOf = ({ config, log, jobs }: FhirParts, baseUrl: string, server: () => FhirServer) =>
  hl7Operations({
    ...{ baseUrl, clock: systemClock, log, jobs, scope: everything, egressAllow: egressAllowOf(config) },
    reader: () => server().reader,
    writer: () => server().writer,
    config: {
      timeZone: config.HL7_TIME_ZONE,
      sendingApplication: config.HL7_SENDING_APPLICATION,
      sendingFacility: config.HL7_SENDING_FACILITY,
    },
  });

const subscriptionOperationsOf = (
  { db, log }: FhirParts,
  resourceTypes: readonly string[],
  baseUrl: string,
  server: () => FhirServer,
) =>
  subscriptionOperations({
    ...{ db, log, baseUrl, resourceTypes, clock: systemClock, scope: everything },
    webSocketUrl: webSocketUrlOf(baseUrl),
    reader: () => server().reader,
    feed: () => server().feed,
    parameters: () => server().parameters,
  });

/** `baseUrl`: `http://127.0.0.1:8080/fhir/R4` */
export async function createFhir(parts: FhirParts, baseUrl: string): Promise<FhirServer> {
  const { config, db, log, metrics, jobs, readsFeed } = parts;
  const definitions = await loadDefinitions();
  const { resourceTypes } = definitions;
  const server: FhirServer = await createFhirServer({
    db,
    definitions,
    terminology: (offer) => createTerminology({ db, clock: systemClock, remote: remoteOf(config, log), ...offer }),
    operations: [
      ...hl7OperationsOf(parts, baseUrl, () => server),
      ...subscriptionOperationsOf(parts, resourceTypes, baseUrl, () => server),
      triageOperation({ baseUrl, clock: systemClock, reader: () => server.reader, scores: scoresOf(config) }),
    ],
    subscriptionTopics: () => activeTopicUrls(db),
    meanings: subscriptionMeanings({
      ...{ parameters: () => server.parameters, resourceTypes, baseUrl },
      endpoints: alertEndpointNames(config.ALERT_ENDPOINTS),
    }),
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
    cors: config.CORS_ORIGINS !== undefined,
    webSocketUrl: webSocketUrlOf(baseUrl),
    packageRegistry: config.PACKAGE_REGISTRY,
    validation: {
      levels: config.VALIDATION,
      profiles: config.VALIDATION_PROFILES,
      record: config.VALIDATION_RECORD,
    },
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
