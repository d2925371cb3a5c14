// What chains ask of documents and messages: https://hl7.org/fhir/R4/bundle.html#search has `composition` and `message`, the
// first resource of the Bundle, which "provide access to search its contents". It is found as what a resource contains is
// (places.ts), and so are the entries that it refers to, by their fullUrl.
import { isRawJson } from '../json.ts';
import { parseReference } from '../references.ts';
import type { Json, JsonObject, Resource } from '../types.ts';
import type { Extractor } from './extract.ts';
import { linkParam, nonceOf, placedParam, placesMax, pushPlaced, withReferences } from './places.ts';
import type { IndexValue, SearchParam } from './types.ts';

/** Of a document and of a message. */
const HEADS: ReadonlySet<unknown> = new Set(['Composition', 'MessageHeader']);

interface Entry {
  fullUrl: string;
  resource: Resource;
}

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null;

function entriesOf({ entry }: Resource): Entry[] {
  const all: unknown[] = Array.isArray(entry) ? entry : [];
  if (!isObject(all[0]) || !isObject(all[0].resource)) return [];
  return all.filter(isObject).flatMap(({ fullUrl, resource }) => {
    if (!isObject(resource) || typeof resource.resourceType !== 'string') return [];
    return [{ fullUrl: typeof fullUrl === 'string' ? fullUrl : '', resource: resource as Resource }];
  });
}

/** A relative reference belongs to the server that the fullUrl of its entry names; one with a URN names none. */
function serverOf({ fullUrl, resource }: Entry): string | undefined {
  const tail = `/${resource.resourceType}/${String(resource.id)}`;
  return /^https?:/.test(fullUrl) && fullUrl.endsWith(tail) ? fullUrl.slice(0, -tail.length) : undefined;
}

/** The value with its relative references as URLs of the server, and these as `note` was told. */
function withUrls(value: Json | undefined, server: string, note: (url: string) => void): Json | undefined {
  if (typeof value !== 'object' || value === null || isRawJson(value)) return value;
  if (Array.isArray(value)) return value.map((each) => withUrls(each, server, note) as Json);
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => {
      if (name !== 'reference' || typeof each !== 'string') return [name, withUrls(each, server, note)];
      const url = server !== '' && parseReference(each).kind === 'local' ? `${server}/${each}` : each;
      note(url);
      return [name, url];
    }),
  );
}

/** The resource with its references as they are meant, and what they name. */
function meant(entry: Entry): { resource: Resource; urls: ReadonlySet<string> } {
  const urls = new Set<string>();
  const resource = withUrls(entry.resource, serverOf(entry) ?? '', (url) => void urls.add(url)) as Resource;
  return { resource, urls };
}

interface Place {
  place: number;
  reference: string;
}

/** By fullUrl, of those that are named; of two with one fullUrl none is meant. */
function placesIn(entries: readonly Entry[], urls: ReadonlySet<string>, nonce: string): Map<Entry, Place> {
  const byUrl = new Map<string, Entry | undefined>();
  for (const entry of entries) byUrl.set(entry.fullUrl, byUrl.has(entry.fullUrl) ? undefined : entry);
  const counts = new Map<string, number>([[String(entries[0]?.resource.resourceType), 1]]);
  const found = new Map<Entry, Place>();
  for (const entry of entries.slice(1)) {
    const type = entry.resource.resourceType;
    if (!urls.has(entry.fullUrl) || byUrl.get(entry.fullUrl) !== entry) continue;
    const place = Math.min(counts.get(type) ?? 0, placesMax);
    counts.set(type, place + 1);
    found.set(entry, { place, reference: `${type}/${nonce}${place}` });
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
  const references = new Map([...places].map(([{ fullUrl }, { reference }]) => [fullUrl, { reference }]));
  addLinks(withReferences(resource, references) as object, (param) => placedParam(param, 0));
  for (const [entry, { place }] of places) {
    if (place < placesMax) pushPlaced(extract(meant(entry).resource), place, into);
  }
}
