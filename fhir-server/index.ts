// The way into fhir-server/: the FHIR API, and the store behind the ports.
import type { Middleware } from 'koa';
import {
  type AccessScope,
  type ChangeFeed,
  compileExtractor,
  createLinks,
  createSearchParameters,
  type Definitions,
  type IndexValue,
  type Resource,
  type ResourceReader,
  type ResourceWriter,
  type SearchParameters,
} from '#fhir-model';
import { type Clock, type Db, type Log, type Metrics, uuidv7 } from '#platform';
import { fhirMiddleware } from './api/pipeline.ts';
import type { Core, Limits } from './interactions/core.ts';
import { createReader, createWriter } from './ports.ts';
import { createStore } from './store/store.ts';
import { createStructureValidator } from './validation/structure.ts';

export type { Limits } from './interactions/core.ts';

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
}

export interface FhirServer {
  middleware: Middleware;
  reader: ResourceReader;
  writer: ResourceWriter;
  feed: ChangeFeed;
  parameters: SearchParameters;
  extract(resource: Resource): IndexValue[];
}

/** An extractor per type, compiled when the first resource of the type comes. */
function extractors(parameters: SearchParameters, baseUrl: string): (resource: Resource) => IndexValue[] {
  const compiled = new Map<string, (resource: Resource) => IndexValue[]>();
  return (resource) => {
    let extract = compiled.get(resource.resourceType);
    if (!extract) {
      extract = compileExtractor(parameters.list(resource.resourceType), { baseUrl });
      compiled.set(resource.resourceType, extract);
    }
    return extract(resource);
  };
}

export async function createFhirServer(parts: FhirServerParts): Promise<FhirServer> {
  const { definitions, clock, db, baseUrl } = parts;
  const parameters = createSearchParameters(definitions.searchParameters, definitions.resourceTypes, definitions);
  const extract = extractors(parameters, baseUrl);
  const newId = () => uuidv7(clock.now());
  const validator = createStructureValidator(definitions);
  const store = await createStore({ db, parameters, extract, validator, clock, newId });
  const links = createLinks(definitions);
  const core: Core = {
    store,
    definitions,
    parameters,
    links,
    limits: parts.limits,
    baseUrl,
    softwareVersion: parts.softwareVersion,
  };
  const middleware = fhirMiddleware(
    { core, log: parts.log, metrics: parts.metrics, newId, scopeOf: () => parts.scope },
    new URL(baseUrl).pathname,
  );
  return {
    middleware,
    reader: createReader(core),
    writer: createWriter(core),
    feed: store.stream.feed,
    parameters,
    extract,
  };
}
