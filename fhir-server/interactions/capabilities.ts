// https://hl7.org/fhir/R4/capabilitystatement.html: derived from the routes, the definitions and the search parameters.
import { backportGuide, type JsonObject, joinDepthMax, type OperationSpec, type SearchParam } from '#fhir-model';
import { PATCH_TYPES } from '../patch/apply.ts';
import { INCLUDED_MAX, ROUNDS_MAX } from '../search/includes.ts';
import type { Core } from './core.ts';
import { namedQueryElements } from './named-queries.ts';

/** What of a route the statement tells. */
export interface Offer {
  interaction: string;
  level: 'type' | 'system' | 'none';
}

/** Parameter types whose values are indexed; the others are left out of the statement. */
const SEARCHABLE = new Set(['number', 'date', 'string', 'token', 'reference', 'quantity', 'uri']);

const isServed = ({ type, composite, special }: SearchParam): boolean =>
  SEARCHABLE.has(type) || composite !== undefined || special !== undefined;

/** `_text` and `_content` are strings in R4's definitions. */
const definedType = ({ type, special }: SearchParam): string =>
  special === 'text' || special === 'content' ? 'string' : type;

const codes = (offers: readonly Offer[], level: Offer['level']): string[] => [
  ...new Set(offers.filter((offer) => offer.level === level).map((offer) => offer.interaction)),
];

const operationElement = ({ name, url, description }: OperationSpec): JsonObject => ({
  name,
  definition: url,
  documentation: description,
});

/** Those of a type, at its own or at its resources' level, and its named queries. */
function operationsOf(core: Core, type: string): { operation?: JsonObject[] } {
  const offered = core.operations.filter(
    (spec) => (spec.typeLevel || spec.instanceLevel) && (spec.type === true || spec.type.includes(type)),
  );
  const all = [...offered.map(operationElement), ...namedQueryElements(core, type)];
  return all.length > 0 ? { operation: all } : {};
}

function systemOperations(core: Core): { operation?: JsonObject[] } {
  const offered = core.operations.filter((spec) => spec.system);
  return offered.length > 0 ? { operation: offered.map(operationElement) } : {};
}

const VERSION_REQUIRED = 'An existing resource is changed or deleted only with If-Match and its version; else 400';

/** Type → the parameters of references to it: `Observation:patient`. */
function reverseIncludes(core: Core): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const type of core.definitions.resourceTypes) {
    for (const { code, type: kind, target } of core.parameters.list(type)) {
      if (kind !== 'reference') continue;
      for (const one of target) found.set(one, [...(found.get(one) ?? []), `${type}:${code}`]);
    }
  }
  return found;
}

const NOT_INDEXED = 'Not all resources are indexed by it yet: see SearchParameter/$index-status';

function searchParamElement(core: Core, param: SearchParam): JsonObject {
  const lacking = core.store.registry.isIndexed(param) ? '' : NOT_INDEXED;
  const documentation = [param.description, lacking].filter((text) => text !== '').join('. ');
  return {
    ...{ name: param.code, definition: param.url, type: definedType(param) },
    ...(documentation === '' ? {} : { documentation }),
  };
}

/** http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/CapabilityStatement-backport-subscription-server-r4.html */
/** What the statement says of topics; nothing where nobody offers them. */
interface TopicSupport {
  profiles: string[];
  extension: JsonObject[];
  instantiates: string[];
}

function topicSupport({ subscriptionTopics }: Core, urls: readonly string[]): TopicSupport {
  if (!subscriptionTopics) return { profiles: [], extension: [], instantiates: [] };
  const url = `${backportGuide}/StructureDefinition/capabilitystatement-subscriptiontopic-canonical`;
  return {
    profiles: [`${backportGuide}/StructureDefinition/backport-subscription`],
    extension: urls.map((valueCanonical) => ({ url, valueCanonical })),
    instantiates: [`${backportGuide}/CapabilityStatement/backport-subscription-server-r4`],
  };
}

function resource(
  core: Core,
  type: string,
  interactions: string[],
  offers: readonly Offer[],
  reverse: string[],
  topics: TopicSupport,
): JsonObject {
  const params = core.parameters.list(type).filter(isServed);
  const profiles = new Set([...core.packages.profilesOf(type), ...(type === 'Subscription' ? topics.profiles : [])]);
  const references = params.filter((param) => param.type === 'reference').map((param) => `${type}:${param.code}`);
  const offered = (interaction: string) => offers.some((offer) => offer.interaction === interaction);
  return {
    type,
    profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
    ...(type === 'Subscription' && topics.extension.length > 0 ? { extension: topics.extension } : {}),
    ...(profiles.size > 0 ? { supportedProfile: [...profiles] } : {}),
    interaction: interactions.map((code) => ({ code })),
    ...(core.versionRequired.has(type) ? { documentation: VERSION_REQUIRED } : {}),
    versioning: 'versioned-update',
    readHistory: true,
    updateCreate: true,
    conditionalCreate: true,
    conditionalRead: 'full-support',
    conditionalUpdate: offered('conditional-update'),
    conditionalDelete: core.limits.conditionalDeleteMax > 1 ? 'multiple' : 'single',
    // References to other servers are kept as they are, and those by identifier alone.
    referencePolicy: ['literal', 'logical'],
    ...(references.length > 0 ? { searchInclude: ['*', ...references] } : {}),
    ...(reverse.length > 0 ? { searchRevInclude: ['*', ...reverse] } : {}),
    searchParam: params.map((param) => searchParamElement(core, param)),
    ...operationsOf(core, type),
  };
}

const dates = new WeakMap<Core, string>();

/** When this server was first asked. */
function dateOf(core: Core): string {
  const date = dates.get(core) ?? new Date(core.store.clock.now()).toISOString();
  dates.set(core, date);
  return date;
}

/** What every statement of this server says of it. */
export const instance = (core: Core): JsonObject => ({
  date: dateOf(core),
  kind: 'instance',
  software: { name: 'Cerebra', version: core.softwareVersion },
  implementation: { description: 'Cerebra FHIR server', url: core.baseUrl },
});

/** https://hl7.org/fhir/R4/compartmentdefinition.html */
const COMPARTMENTS = ['patient', 'encounter', 'relatedPerson', 'practitioner', 'device'];

/** Of every type: https://hl7.org/fhir/R4/search.html#all */
const JOIN_PARAMS: JsonObject[] = [
  {
    ...{ name: '_has', type: 'special' },
    documentation: `_has:Type:reference:parameter, nested and chained; a chain may have ${joinDepthMax} links`,
  },
  { name: '_list', type: 'special', documentation: 'The id of a List; functional lists ($current-…) are not kept' },
  { name: '_filter', type: 'special', documentation: 'https://hl7.org/fhir/R4/search_filter.html, all operators' },
  {
    name: '_query',
    type: 'token',
    documentation: 'A named query: those there are stand among the operations of a type',
  },
];

/** Of all types, so that searches over several of them can have them: `_id`, `_lastUpdated`, `_tag` … */
function commonParams(core: Core): JsonObject[] {
  const [first = '', ...others] = core.definitions.resourceTypes;
  const isCommon = ({ code, url }: SearchParam) => others.every((type) => core.parameters.get(type, code)?.url === url);
  const common = core.parameters.list(first).filter((param) => isServed(param) && isCommon(param));
  return common.map((param) => searchParamElement(core, param));
}

/** What batch and transaction take: bundle.ts. */
function bundleNote({ limits }: Core, code: string): { documentation?: string } {
  const most = `${limits.bundleEntriesMax} entries at most; GET, HEAD, POST, PUT, PATCH and DELETE, with conditions`;
  if (code === 'batch') return { documentation: `${most}; operations too` };
  if (code !== 'transaction') return {};
  return { documentation: `${most}; conditional references, resolve-as-version-specific; no operations` };
}

/** https://hl7.org/fhir/R4/search.html#return, as it is offered for every type. */
function searchNote({ limits }: Core, code: string): { documentation?: string } {
  if (code !== 'search-system') return {};
  const page = `_count up to ${limits.searchCountMax}, _sort by any parameter that has an order, _total, _summary, _elements`;
  const more = `_include and _revinclude with :iterate (${INCLUDED_MAX} resources a page, ${ROUNDS_MAX} rounds), _contained and _containedType by type`;
  return { documentation: `The types of _type, or all. As for each type: ${page}, ${more}` };
}

/** https://hl7.org/fhir/R4/extension-capabilitystatement-websocket.html */
const WEB_SOCKET = 'http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket';

const texts = new WeakMap<Core, { text: string; revision: string; urls: readonly string[] }>();

/**
 * The statement as JSON text; the same until search parameters or packages are added, removed or completed. `topicUrls`: of the
 * topics that can be subscribed to; undefined where they could not be asked for: it tells those it told last.
 */
export function capabilityStatement(
  core: Core,
  offers: readonly Offer[],
  topicUrls: readonly string[] | undefined,
): string {
  const known = texts.get(core);
  const urls = topicUrls ?? known?.urls ?? [];
  const revision = `${core.store.registry.revision}/${core.packages.revision}/${urls.join(' ')}`;
  if (known?.revision === revision) return known.text;
  const topics = topicSupport(core, urls);
  const interactions = codes(offers, 'type');
  const reverse = reverseIncludes(core);
  const system = codes(offers, 'system').flatMap((code) =>
    code === 'transaction' ? ['transaction', 'batch'] : [code],
  );
  const text = JSON.stringify({
    resourceType: 'CapabilityStatement',
    status: 'active',
    ...instance(core),
    ...(topics.instantiates.length > 0 ? { instantiates: topics.instantiates } : {}),
    ...(core.packages.guides.length > 0 ? { implementationGuide: [...core.packages.guides] } : {}),
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'application/fhir+xml', 'application/fhir+ndjson', 'json', 'xml'],
    patchFormat: PATCH_TYPES,
    rest: [
      {
        ...(core.webSocketUrl === undefined ? {} : { extension: [{ url: WEB_SOCKET, valueUri: core.webSocketUrl }] }),
        mode: 'server',
        documentation:
          'Errors are OperationOutcomes. Unknown search parameters are ignored, or refused with Prefer: handling=strict',
        security: { cors: core.cors },
        resource: core.definitions.resourceTypes.map((type) =>
          resource(core, type, interactions, offers, reverse.get(type) ?? [], topics),
        ),
        interaction: system.map((code) => ({ code, ...bundleNote(core, code), ...searchNote(core, code) })),
        searchParam: [...commonParams(core), ...JOIN_PARAMS],
        ...systemOperations(core),
        compartment: COMPARTMENTS.map((name) => `http://hl7.org/fhir/CompartmentDefinition/${name}`),
      },
    ],
  });
  texts.set(core, { text, revision, urls });
  return text;
}

/** Elements that R4 has not made normative: https://hl7.org/fhir/R4/capabilitystatement-definitions.html */
const TRIAL_USE = [
  'versioning',
  'readHistory',
  'updateCreate',
  'conditionalCreate',
  'conditionalRead',
  'conditionalUpdate',
  'conditionalDelete',
  'referencePolicy',
  'searchInclude',
  'searchRevInclude',
];

/** Of a statement's text what is normative. */
export function normativePortion(text: string): string {
  const statement = JSON.parse(text) as { rest: { security?: JsonObject; resource: JsonObject[] }[] };
  for (const rest of statement.rest) {
    delete rest.security;
    for (const one of rest.resource) for (const name of TRIAL_USE) delete one[name];
  }
  return JSON.stringify(statement);
}
