// Which ConceptMaps a translation goes by: https://hl7.org/fhir/R4/conceptmap-operation-translate.html
import {
  type Canonicals,
  escapeValue,
  type JsonObject,
  type OperationRequest,
  one,
  parseCanonical,
  parseJson,
  type Resource,
  type ResourceReader,
  type StoredVersion,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { askerOf } from './asking.ts';
import { asText } from './code-system.ts';
import { type ConceptMap, readConceptMap } from './concept-map.ts';
import { coreMapUrls, mapsSystems } from './core-maps.ts';
import { shown } from './refusals.ts';
import type { CodeSystems } from './systems.ts';
import { refuse } from './tx-issues.ts';
import { joinCanonical } from './value-set-definition.ts';

export interface TranslateParts {
  canonicals: Canonicals;
  systems: CodeSystems;
  reader: ResourceReader;
  /** Maps that were found by search, by id and version; a version never changes. */
  kept: Map<string, ConceptMap>;
}

/** Of larger ones each use is one more reading: 1 MB takes some 10 ms. */
const KEPT_CHARACTERS_MAX = 1_000_000;
const KEPT_MAX = 50;

/** Maps that are asked when none is named. */
const MAPS_MAX = 50;

const unknownMap = (canonical: string): CerebraError =>
  refuse('not-found', {
    ...{ code: 'not-found', type: 'not-found', messageId: 'Unable_to_resolve_concept_map' },
    text: `The ConceptMap '${shown(canonical)}' is not known here`,
    expression: 'url',
  });

/** By canonical: what the request brought along goes first. Undefined when it is not known. */
export async function findMap(
  { canonicals }: TranslateParts,
  canonical: string,
  request: OperationRequest,
): Promise<ConceptMap | undefined> {
  const { url, version } = parseCanonical(canonical);
  const { resources = [] } = askerOf(request);
  const brought = resources.find(
    (each) =>
      each.resourceType === 'ConceptMap' && each.url === url && (version === undefined || each.version === version),
  );
  const hidden = request.scope.kind === 'nothing';
  const resource = brought ?? (hidden ? undefined : await canonicals.find('ConceptMap', canonical));
  return resource && readConceptMap(resource);
}

async function instanceMap({ reader, canonicals }: TranslateParts, id: string, request: OperationRequest) {
  const stored = await reader.read('ConceptMap', id, request.scope);
  if (stored === undefined) throw new CerebraError('not-found', `ConceptMap/${id} is not known here`);
  if (stored.deleted) throw new CerebraError('deleted', `ConceptMap/${id} was deleted`);
  const resource = parseJson(stored.body).value as Resource;
  // The same object as a look-up by URL yields has been read already.
  const url = asText(resource.url);
  const known = url && (await canonicals.find('ConceptMap', joinCanonical(url, asText(resource.version))));
  const isThis = known && known.id === id && JSON.stringify(known.meta) === JSON.stringify(resource.meta);
  return readConceptMap(isThis ? known : resource);
}

function readKept(kept: Map<string, ConceptMap>, { id, version, updatedMs, body }: StoredVersion): ConceptMap {
  const key = `${id}/${version}/${updatedMs}`;
  const known = kept.get(key);
  if (known) return known;
  const map = readConceptMap(parseJson(body).value as Resource);
  const [oldest] = kept.keys();
  if (kept.size >= KEPT_MAX && oldest !== undefined) kept.delete(oldest);
  if (body.length <= KEPT_CHARACTERS_MAX) kept.set(key, map);
  return map;
}

async function mapsOf(
  { reader, kept }: TranslateParts,
  query: string,
  request: OperationRequest,
): Promise<ConceptMap[]> {
  const page = await reader.search('ConceptMap', `${query}&_count=${MAPS_MAX}`, request.scope);
  return page.resources.map((stored) => readKept(kept, stored));
}

const asked = (name: string, value: string | undefined): string[] =>
  value === undefined ? [] : [`${name}=${encodeURIComponent(escapeValue(value))}`];

/** R4's own, unless one of the same URL is stored: that one was found by search, or maps other systems. */
async function coreMaps({ canonicals }: TranslateParts, from: string, to: string | undefined, reverse: boolean) {
  const maps: ConceptMap[] = [];
  for (const url of await coreMapUrls(from, to, reverse)) {
    const resource = await canonicals.find('ConceptMap', url);
    const map = resource && readConceptMap(resource);
    if (map && mapsSystems(map.groups, from, to, reverse)) maps.push(map);
  }
  return maps;
}

/** Stored maps from the system of the code to the system that is wanted, then R4's own. */
async function mapsBySystem(parts: TranslateParts, request: OperationRequest, systems: readonly string[]) {
  const { input } = request;
  const target = one<string>(input, 'targetsystem');
  const reverse = one<boolean>(input, 'reverse') === true;
  const [from, to] = reverse ? ['target-system', 'source-system'] : ['source-system', 'target-system'];
  const known = new Map<string, ConceptMap>();
  for (const system of systems) {
    const query = [...asked(from!, system), ...asked(to!, target)].join('&');
    const stored = await mapsOf(parts, query, request);
    const own = request.scope.kind === 'nothing' ? [] : await coreMaps(parts, system, target, reverse);
    for (const map of [...stored, ...own]) {
      if (map.name === '') known.set(`${known.size}`, map);
      else if (!known.has(map.name)) known.set(map.name, map);
    }
  }
  return [...known.values()].slice(0, MAPS_MAX);
}

const valueSetFits = (wanted: string | undefined, own: string | undefined): boolean => {
  if (wanted === undefined || own === undefined) return true;
  const [a, b] = [parseCanonical(wanted), parseCanonical(own)];
  return a.url === b.url && (a.version === undefined || b.version === undefined || a.version === b.version);
};

/**
 * The one that is named or posted, or those that map the systems of the codes. Throws `not-found` for one that is not
 * known, `required` when there is nothing to go by.
 */
export async function mapsFor(
  parts: TranslateParts,
  request: OperationRequest,
  systems: readonly string[],
): Promise<ConceptMap[]> {
  const { input, id } = request;
  const posted = one<JsonObject>(input, 'conceptMap') as Resource | undefined;
  if (posted) return [readConceptMap(posted)];
  if (id !== undefined) return [await instanceMap(parts, id, request)];
  const url = one<string>(input, 'url');
  if (url !== undefined) {
    const version = one<string>(input, 'conceptMapVersion');
    const canonical = url.includes('|') ? url : joinCanonical(url, version);
    const found = await findMap(parts, canonical, request);
    if (!found) throw unknownMap(canonical);
    return [found];
  }
  if (systems.length === 0) {
    throw new CerebraError('required', 'Which ConceptMap? Give url or conceptMap, or the system of the code', {
      expression: ['url'],
    });
  }
  const reverse = one<boolean>(input, 'reverse') === true;
  const [source, target] = [one<string>(input, 'source'), one<string>(input, 'target')];
  const found = await mapsBySystem(parts, request, systems);
  return found.filter((map) =>
    reverse
      ? valueSetFits(source, map.target) && valueSetFits(target, map.source)
      : valueSetFits(source, map.source) && valueSetFits(target, map.target),
  );
}
