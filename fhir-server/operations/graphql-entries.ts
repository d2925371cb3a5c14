// Resources within a Bundle, as a query sees them: they are what their fullUrl says, not what this server has under their
// id, and so is what they refer to. https://hl7.org/fhir/R4/bundle.html#references
import {
  entriesByReference,
  isObject,
  type JsonObject,
  objectsOf,
  parseReference,
  urlInEntry,
  withoutVersion,
} from '#fhir-model';

/** Where a resource stands that is part of another one without being contained in it. */
export interface BundleEntry {
  /** The resource around it. */
  bundle: JsonObject;
  /** Absent where the entry, or the parameter, has none. */
  fullUrl?: string;
}

/** What a reference in an entry leads to: a resource of the same Bundle, or the text of a reference that leads out of it. */
export type EntryTarget = { at: JsonObject; entry: BundleEntry } | { text: string };

type Find = (absolute: string) => JsonObject | undefined;

const finders = new WeakMap<JsonObject, Find>();

function finderIn(bundle: JsonObject): Find {
  const known = finders.get(bundle);
  if (known) return known;
  const entries = objectsOf(bundle.entry).flatMap(({ fullUrl, resource }) =>
    typeof fullUrl === 'string' && isObject(resource) ? [{ fullUrl, resource }] : [],
  );
  const find = entriesByReference(entries);
  finders.set(bundle, find);
  return find;
}

/** Undefined for a relative reference where nothing says of which server it is. */
export function entryTarget({ bundle, fullUrl }: BundleEntry, text: string): EntryTarget | undefined {
  if (bundle.resourceType !== 'Bundle') return { text };
  const absolute = urlInEntry(text, fullUrl);
  if (absolute === undefined) return undefined;
  const at = finderIn(bundle)(absolute);
  return at ? { at, entry: { bundle, fullUrl: withoutVersion(absolute).url } } : { text: absolute };
}

/** Whether the resource that stands there is the one that this server has under its type and id. */
export function isOurs({ fullUrl }: BundleEntry, type: string, id: unknown, baseUrl: string): boolean {
  if (fullUrl === undefined) return false;
  const parsed = parseReference(fullUrl, baseUrl);
  return parsed.kind === 'local' && parsed.type === type && parsed.id === id && fullUrl.includes(':');
}
