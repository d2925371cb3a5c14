// What the links between the entries of a transaction mean: https://hl7.org/fhir/R4/http.html#trules,
// https://hl7.org/fhir/R4/bundle.html#references
import {
  type Json,
  type JsonObject,
  type LinkSite,
  parseReference,
  type Resource,
  type SearchQuery,
  type StoredVersion,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { defineMember } from '../patch/tree.ts';
import type { Core } from './core.ts';
import { at, criteriaKey, type Plan } from './entries.ts';
import { entryTarget } from './full-urls.ts';
import type { Resolved } from './resolve.ts';
import { parseCriteria } from './search.ts';

/** A conditional reference, or the criteria of an entry. */
export interface Lookup {
  query: SearchQuery;
  /** For the error: where the criteria stand. */
  expression: string;
}

export type Matches = ReadonlyMap<string, StoredVersion[]>;

const placeOf = (index: number, site: LinkSite): string =>
  at(index, `.resource.${site.path().replace(/^[A-Za-z]+\./, '')}`);

export const several = (expression: string): CerebraError =>
  new CerebraError('multiple-matches', 'The criteria match more than one resource: make them more exact', {
    expression: [expression],
  });

/** The entries of a stored Bundle, and what they refer to, are a world of their own: nobody but its reader resolves them. */
const isInnerBundle = (resource: Resource): boolean => resource.resourceType === 'Bundle';

/** Calls `found` with the key of each conditional reference (`Patient?identifier=…`) in the resource. */
function forEachConditional(
  core: Core,
  resource: Resource,
  found: (key: string, type: string, query: string, site: LinkSite) => void,
): void {
  if (isInnerBundle(resource)) return;
  core.links.forEachReference(resource, (text, site) => {
    if (!text.includes('?')) return;
    const parsed = parseReference(text, core.baseUrl);
    if (parsed.kind === 'conditional') found(criteriaKey(parsed.type, parsed.query), parsed.type, parsed.query, site);
  });
}

/** Adds the conditional references of a resource to `lookups`. Throws with the reference's place for one that is wrong. */
export function addConditionals(core: Core, resource: Resource, index: number, lookups: Map<string, Lookup>): void {
  forEachConditional(core, resource, (key, type, query, site) => {
    if (lookups.has(key)) return;
    const expression = placeOf(index, site);
    try {
      lookups.set(key, { query: parseCriteria(core, type, query, expression), expression });
    } catch (error) {
      if (!(error instanceof CerebraError)) throw error;
      const text = `The conditional reference '${type}?…' can't be resolved: ${error.message}`;
      throw new CerebraError('invalid', text, { expression: [expression], cause: error });
    }
  });
}

export function cloneJson(value: Json | undefined): Json | undefined {
  if (Array.isArray(value)) return cloneList(value);
  // JSON.rawJSON objects have no prototype and can't change: they are shared.
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) === null) return value;
  const copy: JsonObject = {};
  for (const key in value) {
    const member = value[key];
    defineMember(copy, key, typeof member === 'object' ? cloneJson(member)! : member!);
  }
  return copy;
}

function cloneList(list: readonly Json[]): Json[] {
  const copy: Json[] = [];
  for (const item of list) copy.push(typeof item === 'object' ? (cloneJson(item) as Json) : item);
  return copy;
}

export interface Targets {
  /** fullUrl → `Type/id`; a fullUrl with a version → `Type/id/_history/version`. */
  urls: Map<string, string>;
  /** Whether any of them can be meant by a relative reference. */
  anyRestful: boolean;
}

/**
 * What each fullUrl has become. A resource that gets a new id loses its old versions as well: a reference to the very
 * version that is in the entry, by its meta.versionId, is one to the version that is created.
 */
export function targetsOf(resolved: readonly Resolved[]): Targets {
  const urls = new Map<string, string>();
  const owners = new Map<string, number>();
  let anyRestful = false;
  for (const one of resolved) {
    const { entry, type, id, index, method } = one;
    if (entry.alias !== undefined && entry.url !== `${type}/${id}`) urls.set(entry.url, `${type}/${id}`);
    // Reads have no id either.
    if (entry.fullUrl === undefined || id === '' || one.alone) continue;
    const owner = owners.get(entry.fullUrl);
    if (owner === index) {
      // One entry that deletes several: a link to it could mean any of them.
      urls.delete(entry.fullUrl);
      continue;
    }
    if (owner !== undefined) {
      throw new CerebraError('invalid', 'Two entries have the same fullUrl', { expression: [at(index, '.fullUrl')] });
    }
    owners.set(entry.fullUrl, index);
    urls.set(entry.fullUrl, `${type}/${id}`);
    if (!entry.fullUrl.startsWith('http')) continue;
    anyRestful = true;
    const old = entry.resource?.meta?.versionId;
    if (method === 'POST' && !one.idle && typeof old === 'string') {
      urls.set(`${entry.fullUrl}/_history/${old}`, `${type}/${id}/_history/1`);
    }
  }
  return { urls, anyRestful };
}

function internalTarget(core: Core, targets: Targets, fullUrl: string | undefined, text: string): string | undefined {
  return targets.anyRestful ? entryTarget(targets.urls, fullUrl, core.baseUrl, text) : targets.urls.get(text);
}

const VERSION_SPECIFIC = 'http://hl7.org/fhir/StructureDefinition/resolve-as-version-specific';

const asks = (extension: Json): boolean =>
  (extension as JsonObject | null)?.url === VERSION_SPECIFIC && (extension as JsonObject).valueBoolean === true;

/** Of the element that has the reference. */
export const asksForVersion = ({ extension }: JsonObject): boolean => Array.isArray(extension) && extension.some(asks);

/**
 * Puts what the entries have become into one resource, in place; yields whether a reference asks to become one to a
 * version. Throws for a urn in a reference that means no entry.
 */
export function resolveLinks(core: Core, targets: Targets, one: Plan, resource: Resource): boolean {
  if (one.alone || isInnerBundle(resource)) return false;
  const { fullUrl } = one.entry;
  let versions = false;
  core.links.rewriteReferences(resource, (text, site) => {
    if (site.kind === 'reference') versions ||= asksForVersion(site.owner as JsonObject);
    const target = internalTarget(core, targets, fullUrl, text);
    if (target === undefined && site.kind === 'reference') assertNoUrn(one.index, text, site);
    return target;
  });
  return versions;
}

/** What stands before a `#` comes by itself as well. */
function assertNoUrn(index: number, text: string, site: LinkSite): void {
  if (!/^urn:(?:uuid|oid):[^#]*$/.test(text)) return;
  throw new CerebraError('invalid', `The reference '${text.slice(0, 80)}' is no fullUrl of this Bundle`, {
    expression: [placeOf(index, site)],
  });
}

function conditionalTarget(expression: string, found: StoredVersion[]): string {
  const [match, more] = found;
  if (more) throw several(expression);
  if (match) return `${match.type}/${match.id}`;
  throw new CerebraError('precondition-failed', 'The conditional reference matches no resource', {
    expression: [expression],
  });
}

/** Puts in, in place, what the conditional references match, of those whose matches are known. */
export function resolveConditionals(core: Core, matches: Matches, index: number, resource: Resource): void {
  forEachConditional(core, resource, (key, _type, _query, site) => {
    const found = matches.get(key);
    if (!found) return;
    (site.owner as JsonObject)[site.key as string] = conditionalTarget(placeOf(index, site), found);
  });
}

/**
 * https://hl7.org/fhir/extensions/StructureDefinition-resolve-as-version-specific.html: the reference becomes one to the
 * version that this transaction writes; the extension goes. `versions` has `Type/id` → version.
 */
export function resolveVersions(
  core: Core,
  versions: ReadonlyMap<string, number>,
  index: number,
  resource: Resource,
): void {
  core.links.forEachReference(resource, (text, site) => {
    const owner = site.owner as JsonObject;
    if (!asksForVersion(owner)) return;
    const version = versions.get(text);
    if (version === undefined) {
      const wrong = `'${text.slice(0, 80)}' shall become version-specific, but no entry of this transaction writes it`;
      throw new CerebraError('invalid', wrong, { expression: [placeOf(index, site)] });
    }
    owner.reference = `${text}/_history/${version}`;
    const others = (owner.extension as Json[]).filter((extension) => !asks(extension));
    if (others.length > 0) owner.extension = others;
    else delete owner.extension;
  });
}
