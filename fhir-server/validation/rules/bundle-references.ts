// References between the entries of a Bundle: https://hl7.org/fhir/R4/bundle.html#references
import { type Json, type JsonObject, urlInEntry } from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';

export interface Entry {
  /** `Bundle.entry[3]` */
  readonly at: string;
  readonly fullUrl: string | undefined;
  readonly resource: JsonObject | undefined;
}

export interface Entries {
  readonly all: readonly Entry[];
  /** By fullUrl, and by fullUrl with `/_history/` and the version. */
  readonly byUrl: ReadonlyMap<string, readonly Entry[]>;
  /** By `Patient/1`. */
  readonly byName: ReadonlyMap<string, readonly Entry[]>;
}

/** A reference in a resource of an entry. */
export interface Reference {
  readonly text: string;
  /** `Bundle.entry[3].resource.subject` */
  readonly at: string;
}

const history = '/_history/';

const versionOf = ({ resource }: Entry): string | undefined => {
  const meta = resource?.meta;
  return isObject(meta) ? textOf(meta.versionId) : undefined;
};

function add(map: Map<string, Entry[]>, key: string, entry: Entry): void {
  const there = map.get(key);
  if (there === undefined) map.set(key, [entry]);
  else there.push(entry);
}

export function entriesOf(bundle: JsonObject, at: string): Entries {
  const all = objectsOf(bundle.entry).map((entry, index): Entry => {
    const fullUrl = textOf(entry.fullUrl);
    return {
      at: `${at}.entry[${index}]`,
      fullUrl,
      resource: isObject(entry.resource) ? entry.resource : undefined,
    };
  });
  const byUrl = new Map<string, Entry[]>();
  const byName = new Map<string, Entry[]>();
  for (const entry of all) {
    if (entry.fullUrl !== undefined) {
      add(byUrl, entry.fullUrl, entry);
      const version = versionOf(entry);
      if (version !== undefined) add(byUrl, `${entry.fullUrl}${history}${version}`, entry);
    }
    if (typeof entry.resource?.id === 'string')
      add(byName, `${textOf(entry.resource.resourceType)}/${entry.resource.id}`, entry);
  }
  return { all, byUrl, byName };
}

/** Without the fragment. No pattern matching: the texts come from anybody, and may be long. */
function urlOf(reference: string): string {
  const hash = reference.indexOf('#');
  return hash === -1 ? reference : reference.slice(0, hash);
}

const none: readonly Entry[] = [];

/** The entries that a reference means, one if all is well; the same list for the same URL. */
export function entriesMeant(entries: Entries, from: Entry, reference: string): readonly Entry[] {
  const url = urlOf(reference);
  const absolute = urlInEntry(url, from.fullUrl);
  return (absolute === undefined ? undefined : entries.byUrl.get(absolute)) ?? entries.byUrl.get(url) ?? none;
}

/** Entries whose type and id fit a relative reference, whatever their fullUrl. */
export function namesakes(entries: Entries, reference: string): readonly Entry[] {
  const url = urlOf(reference);
  const at = url.lastIndexOf(history);
  return entries.byName.get(at === -1 ? url : url.slice(0, at)) ?? none;
}

function collect(value: Json | undefined, at: string, found: Reference[]): void {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) collect(value[index], `${at}[${index}]`, found);
    return;
  }
  if (!isObject(value)) return;
  for (const name in value) {
    const child = value[name];
    if (typeof child === 'object') collect(child, `${at}.${name}`, found);
    else if (name === 'reference' && typeof child === 'string') found.push({ text: child, at });
  }
}

/** All references in a resource at `at` that lead out of it. */
export function referencesIn(resource: JsonObject | undefined, at: string): Reference[] {
  const found: Reference[] = [];
  collect(resource, at, found);
  return found.filter(({ text }) => !text.startsWith('#'));
}
