// The way into fhir-server/: the FHIR API, and the store behind the ports.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Middleware } from 'koa';
import {
  type AccessScope,
  baseSearchParameters,
  type Canonicals,
  type ChangeFeed,
  createLinks,
  createXmlCodec,
  type Definitions,
  type IndexValue,
  loadCoreResources,
  type OperationSpec,
  type ReferenceMover,
  type Resource,
  type ResourceReader,
  type ResourceWriter,
  type SearchParameters,
  type Terminology,
} from '#fhir-model';
import { CerebraError, type Clock, type Db, type Jobs, type Log, type Metrics, uuidv7 } from '#platform';
import { createPipeline } from './api/pipeline.ts';
import { createCanonicals } from './canonicals/canonicals.ts';
import type { Core, Limits } from './interactions/core.ts';
import { noTerminology } from './interactions/no-terminology.ts';
import { createTogether } from './interactions/together.ts';
import { load } from './load/load.ts';
import type { LoadOptions, LoadSummary } from './load/options.ts';
import { createOperations } from './operations/registry.ts';
import { scheduleReindex } from './operations/reindex.ts';
import type { InstallSummary } from './packages/install.ts';
import { type LoadPackagesOptions, loadAndIndex } from './packages/load-and-index.ts';
import { createToldPackages } from './packages/told.ts';
import { createParameterRegistry } from './parameters/registry.ts';
import { createReader, createWriter } from './ports.ts';
import { createFirstPages } from './search/first-pages.ts';
import { createStore } from './store/store.ts';
import { createChecks } from './validation/checks.ts';
import type { Admissions } from './validation/on-write.ts';
import type { PolicyOptions } from './validation/policy.ts';
import { createValidator, type MeaningChecks } from './validation/validator.ts';

export type { Limits } from './interactions/core.ts';
export type { Checkpoint, Counts } from './load/checkpoints.ts';
export { findFiles, type InputFile } from './load/files.ts';
export type { LoadFault, LoadOptions, LoadProgress, LoadSummary } from './load/options.ts';
export type { InstallSummary, PackageProgress } from './packages/install.ts';
export type { LoadPackagesOptions } from './packages/load-and-index.ts';
export { createPolicy as readValidation } from './validation/policy.ts';
export {
  createResourceValidator,
  type ProfileSource,
  type ResourceValidator,
  type ResourceValidatorParts,
  type ValidateOptions,
} from './validation/validate.ts';

export interface TerminologyOffer {
  canonicals: Canonicals;
  reader: ResourceReader;
}

export interface OfferedTerminology {
  port: Terminology;
  operations: readonly OperationSpec[];
}

export interface FhirServerParts {
  db: Db;
  definitions: Definitions;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  limits: Limits;
  /** `http://127.0.0.1:8080/fhir/R4` */
  baseUrl: string;
  softwareVersion: string;
  /** The scope of HTTP callers. */
  scope: AccessScope;
  /** Types whose resources are changed only with If-Match; `all` is every one. */
  versionRequired?: readonly string[];
  /** Whether updates leave tags and security labels that they do not bring; default: they replace them. */
  keepsLabels?: boolean;
  /** Whether pages of other origins may call: told in the CapabilityStatement. */
  cors?: boolean;
  /** Where clients bind Subscriptions, `ws://127.0.0.1:8080/fhir/R4/ws`: told in the CapabilityStatement. */
  webSocketUrl?: string;
  /** Whether $expunge may remove anything; not unless told. */
  expunge?: boolean;
  /** What is checked of resources that are written; default: structure, and profiles that are claimed and known. */
  validation?: PolicyOptions;
  /** The only address that packages are taken from, `https://packages.fhir.org`; without it from none. */
  packageRegistry?: string | undefined;
  /** Where $reindex runs, before `start()`; without it $reindex is refused. */
  jobs?: Jobs;
  /** Code systems and value sets, made of what this room has to offer; without it searches by them are refused. */
  terminology?(offer: TerminologyOffer): OfferedTerminology;
  /** Whether the change feed is read in this process; default: it is. */
  readsFeed?: boolean | undefined;
  /** What other rooms offer, besides the operations of this one. */
  operations?: readonly OperationSpec[];
  /** What other rooms check of the resources that mean something to them. */
  meanings?: MeaningChecks | undefined;
  /** What other rooms ask before they let in what they are to carry out. */
  admissions?: Admissions | undefined;
  /** Canonical URLs of the topics that can be subscribed to: told in the CapabilityStatement. */
  subscriptionTopics?(): Promise<readonly string[]>;
}

export interface FhirServer {
  middleware: Middleware;
  /** Answers a request without koa; false, and untouched, where its URL isn't plainly under the base. */
  takes(req: IncomingMessage, res: ServerResponse): boolean;
  reader: ResourceReader;
  writer: ResourceWriter & ReferenceMover;
  feed: ChangeFeed;
  parameters: SearchParameters;
  extract(resource: Resource): IndexValue[];
  /** Files of resources into the store. */
  load(options: LoadOptions): Promise<LoadSummary>;
  /** FHIR packages, and what they depend on, into the store; resources there are then indexed by their search parameters. */
  loadPackages(names: readonly string[], options: LoadPackagesOptions): Promise<InstallSummary[]>;
  /** Once the job queue has started. */
  schedule(): Promise<void>;
}

function typesRequiring({ resourceTypes, isResourceType }: Definitions, wanted: readonly string[]): Set<string> {
  const unknown = wanted.find((type) => type !== 'all' && !isResourceType(type));
  if (unknown) throw new CerebraError('config', `VERSION_REQUIRED: '${unknown}' is not a resource type of FHIR R4`);
  return new Set(wanted.includes('all') ? resourceTypes : wanted);
}

export async function createFhirServer(parts: FhirServerParts): Promise<FhirServer> {
  const { definitions, clock, db, baseUrl } = parts;
  const base = baseSearchParameters(definitions);
  const registry = await createParameterRegistry(db, parts.log, { definitions, base, baseUrl });
  const { parameters, extract } = registry;
  const newId = () => uuidv7(clock.now());
  const canonicals = createCanonicals({ db, parameters, coreResources: loadCoreResources, scope: parts.scope });
  const { policy, validation, onWrite } = createChecks({
    ...parts,
    profiles: canonicals,
    policy: parts.validation,
    validateCodes: (codes) => core.terminology.validateCodes(codes, { db, scope: parts.scope }),
  });
  const validator = createValidator(definitions, registry.beside, policy.off, parts.meanings);
  const store = await createStore({ db, registry, validator, clock, newId, readsFeed: parts.readsFeed, canonicals });
  const links = createLinks(definitions);
  const core: Core = {
    store,
    definitions,
    parameters,
    links,
    terminology: noTerminology,
    firstPages: createFirstPages(db),
    xml: createXmlCodec(definitions),
    limits: parts.limits,
    operations: [],
    together: async () => undefined,
    baseUrl,
    softwareVersion: parts.softwareVersion,
    versionRequired: typesRequiring(definitions, parts.versionRequired ?? []),
    keepsLabels: parts.keepsLabels ?? false,
    cors: parts.cors ?? false,
    webSocketUrl: parts.webSocketUrl,
    ...(parts.subscriptionTopics ? { subscriptionTopics: parts.subscriptionTopics } : {}),
    packages: createToldPackages(db, canonicals),
    ...{ canonicals, validation, onWrite },
  };
  core.together = createTogether(core);
  const reader = createReader(core);
  const terminology = parts.terminology?.({ canonicals, reader });
  if (terminology) core.terminology = terminology.port;
  const offered = [...(terminology?.operations ?? []), ...(parts.operations ?? [])];
  core.operations = [...createOperations(core, parts), ...offered];
  const { middleware, takes } = createPipeline(
    { core, log: parts.log, metrics: parts.metrics, newId, scopeOf: () => parts.scope },
    new URL(baseUrl).pathname,
  );
  return {
    ...{ middleware, takes },
    reader,
    writer: createWriter(core),
    feed: store.stream.feed,
    parameters,
    extract,
    load: (options) => load(core, options),
    loadPackages: (names, options) => loadAndIndex(core, names, { scope: parts.scope, ...options }, parts.jobs),
    schedule: async () => {
      if (parts.jobs) await scheduleReindex(parts.jobs);
    },
  };
}
