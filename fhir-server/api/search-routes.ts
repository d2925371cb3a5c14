// Searches over HTTP, by GET or by POST of a form: https://hl7.org/fhir/R4/http.html#search

import { searchCompartment, searchWholeCompartment } from '../interactions/compartment.ts';
import type { Caller, Core } from '../interactions/core.ts';
import { searchType, searchTypeBytes } from '../interactions/search.ts';
import { searchSystem } from '../interactions/search-system.ts';
import { plainJson } from './negotiate.ts';
import { type Answer, type FhirRequest, readForm } from './request.ts';

/** Searches on behalf of an HTTP client: one that hangs up ends its search. */
export const callerOf = (core: Core, request: FhirRequest): Caller => ({
  scope: request.scope,
  db: core.store.db,
  socket: request.req.socket,
});

type Search = (core: Core, request: FhirRequest, pairs: [string, string][]) => Promise<string | Buffer>;

/** Bytes are for sending: other formats, and Bundles around the answer, are made of text. */
const takesBytes = ({ asked, isEntry }: FhirRequest): boolean => asked === plainJson && !isEntry;

const ofType: Search = (core, request, pairs) => {
  const find = takesBytes(request) ? searchTypeBytes : searchType;
  const { segments, strict } = request;
  return find(core, { type: segments[0] ?? '', pairs, strict }, callerOf(core, request));
};

const ofSystem: Search = (core, request, pairs) => searchSystem(core, pairs, callerOf(core, request), request.strict);

const compartmentOf = ({ segments: [type = '', id = ''] }: FhirRequest) => ({ type, id });

/** `Patient/1/Observation` */
const ofCompartment: Search = (core, request, pairs) =>
  searchCompartment(
    core,
    compartmentOf(request),
    request.segments[2] ?? '',
    pairs,
    callerOf(core, request),
    request.strict,
  );

/** `Patient/1/*` */
const ofWholeCompartment: Search = (core, request, pairs) =>
  searchWholeCompartment(core, compartmentOf(request), pairs, callerOf(core, request), request.strict);

const byGet =
  (search: Search) =>
  async (core: Core, request: FhirRequest): Promise<Answer> => ({
    status: 200,
    body: await search(core, request, request.pairs),
  });

const byPost =
  (search: Search) =>
  async (core: Core, request: FhirRequest): Promise<Answer> => ({
    status: 200,
    body: await search(core, request, await readForm(request)),
  });

const compartmentRoutes = (get: string, post: string, search: Search) =>
  [
    { method: 'GET', path: get, interaction: 'search-compartment', level: 'none', handle: byGet(search) },
    { method: 'POST', path: post, interaction: 'search-compartment', level: 'none', handle: byPost(search) },
  ] as const;

export const searchRoutes = [
  { method: 'GET', path: ':type', interaction: 'search-type', level: 'type', handle: byGet(ofType) },
  { method: 'POST', path: ':type/_search', interaction: 'search-type', level: 'type', handle: byPost(ofType) },
  { method: 'GET', path: '', interaction: 'search-system', level: 'system', handle: byGet(ofSystem) },
  { method: 'POST', path: '_search', interaction: 'search-system', level: 'system', handle: byPost(ofSystem) },
  ...compartmentRoutes(':type/:id/:member', ':type/:id/:member/_search', ofCompartment),
  ...compartmentRoutes(':type/:id/*', ':type/:id/_search', ofWholeCompartment),
  ...compartmentRoutes(':type/:id/*', ':type/:id/*/_search', ofWholeCompartment),
] as const;
