// What chains ask of documents and messages: https://hl7.org/fhir/R4/bundle.html#search has `composition` and `message`, the
// first resource of the Bundle, which "provide access to search its contents". It is found as what a resource contains is
// (places.ts), and so are the entries that it refers to, by their fullUrl.
import { entriesByReference, urlInEntry } from '../entry-references.ts';
import { isObject, isRawJson } from '../json.ts';
import { parseReference } from '../references.ts';
import type { Json, Resource } from '../types.ts';
import type { Extractor } from './extract.ts';
import { linkParam, nonceOf, placedParam, placesMax, pushPlaced, withReferences } from './places.ts';
import type { IndexValue, SearchParam } from './types.ts';

/** Of a document and of a message. */
const HEADS: ReadonlySet<unknown> = new Set(['Composition', 'MessageHeader']);

interface Entry {
  fullUrl: string;
  resource: Resource;
}

function entriesOf({ entry }: Resource): Entry[] {
  const all: unknown[] = Array.isArray(entry) ? entry : [];
  if (!isObject(all[0]) || !isObject(all[0].resource)) return [];
  return all.filter(isObject).flatMap(({ fullUrl, resource }) => {
    if (!isObject(resource) || typeof resource.resourceType !== 'string') return [];
    return [{ fullUrl: typeof fullUrl === 'string' ? fullUrl : '', resource: resource as Resource }];
  });
}

/** The value with its relative references as URLs of the server that the fullUrl names, and these as `note` was told. */
function withUrls(value: Json | undefined, fullUrl: string, note: (url: string) => void): Json | undefined {
  if (typeof value !== 'object' || value === null || isRawJson(value)) return value;
  if (Array.isArray(value)) return value.map((each) => withUrls(each, fullUrl, note) as Json);
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => {
      if (name !== 'reference' || typeof each !== 'string') return [name, withUrls(each, fullUrl, note)];
      const url = (parseReference(each).kind === 'local' ? urlInEntry(each, fullUrl) : undefined) ?? each;
      note(url);
      return [name, url];
    }),
  );
}

/** The resource with its references as they are meant, and what they name. */
function meant(entry: Entry): { resource: Resource; urls: ReadonlySet<string> } {
  const urls = new Set<string>();
  const resource = withUrls(entry.resource, entry.fullUrl, (url) => void urls.add(url)) as Resource;
  return { resource, urls };
}

interface Place {
  place: number;
  reference: string;
  /** As which it is named: with a version, without one, or both. */
  urls: string[];
}

/** Of each URL the resource that it means. */
function named(entries: readonly Entry[], urls: ReadonlySet<string>): Map<Resource, string[]> {
  const meantBy = entriesByReference(entries);
  const found = new Map<Resource, string[]>();
  for (const absolute of urls) {
    const meant = meantBy(absolute);
    if (meant) found.set(meant, [...(found.get(meant) ?? []), absolute]);
  }
  return found;
}

/** Of the entries that are named, in their order. */
function placesIn(entries: readonly Entry[], urls: ReadonlySet<string>, nonce: string): Map<Entry, Place> {
  const names = named(entries, urls);
  const counts = new Map<string, number>([[String(entries[0]?.resource.resourceType), 1]]);
  const found = new Map<Entry, Place>();
  for (const entry of entries.slice(1)) {
    const type = entry.resource.resourceType;
    const meant = names.get(entry.resource);
    if (meant === undefined) continue;
    const place = Math.min(counts.get(type) ?? 0, placesMax);
    counts.set(type, place + 1);
    found.set(entry, { place, reference: `${type}/${nonce}${place}`, urls: meant });
  }
  return found;
}

/** Appends what chains on `composition` and `message` find of a document or message; nothing of other Bundles. */
export function addBundlePlaces(bundle: Resource, extract: Extractor, into: IndexValue[]): void {
  const entries = entriesOf(bundle);
  const [head] = entries;
  if (head === undefined || !HEADS.has(head.resource.resourceType)) return;
  const nonce = nonceOf(head.resource);
  const addLinks = (from: object, of: (param: SearchParam) => SearchParam): void => {
    for (const { kind, param, ...value } of extract(from as Resource) as (IndexValue & {
      type?: string;
      id?: string;
    })[]) {
      if (kind !== 'reference' || !value.id?.startsWith(nonce) || param.sameAs) continue;
      into.push({
        kind: 'token',
        param: linkParam(of(param)),
        system: value.id.slice(nonce.length),
        code: value.type!,
      });
    }
  };
  const { resource, urls } = meant(head);
  const stub = { resourceType: head.resource.resourceType, id: `${nonce}0` };
  addLinks({ resourceType: 'Bundle', entry: [{ resource: stub }] }, (param) => param);
  pushPlaced(extract(resource), 0, into);
  const places = placesIn(entries, urls, nonce);
  const references = new Map(
    [...places.values()].flatMap(({ urls, reference }) => urls.map((url) => [url, { reference }] as const)),
  );
  addLinks(withReferences(resource, references) as object, (param) => placedParam(param, 0));
  for (const [entry, { place }] of places) {
    if (place < placesMax) pushPlaced(extract(meant(entry).resource), place, into);
  }
}
