// Resources within a Bundle, as a query sees them: they are what their fullUrl says, not what this server has under their
// id, and so is what they refer to. https://hl7.org/fhir/R4/bundle.html#references
import { type JsonObject, parseReference } from '#fhir-model';

/** Where a resource stands that is part of another one without being contained in it. */
export interface BundleEntry {
  /** The resource around it. */
  bundle: JsonObject;
  /** Absent where the entry, or the parameter, has none. */
  fullUrl?: string;
}

/** What a reference in an entry leads to: a resource of the same Bundle, or the text of a reference that leads out of it. */
export type EntryTarget = { at: JsonObject; entry: BundleEntry } | { text: string };

/** https://hl7.org/fhir/R4/references.html#regex: the server that the URL is of. */
const restful = /^(https?:\/\/.+)\/[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const found = new WeakMap<JsonObject, Map<string, JsonObject[]>>();

/** fullUrl → resources; the versions of one have the same. */
function byFullUrl(bundle: JsonObject): Map<string, JsonObject[]> {
  const known = found.get(bundle);
  if (known) return known;
  const map = new Map<string, JsonObject[]>();
  for (const entry of Array.isArray(bundle.entry) ? bundle.entry : []) {
    if (!isObject(entry) || typeof entry.fullUrl !== 'string' || !isObject(entry.resource)) continue;
    const others = map.get(entry.fullUrl);
    if (others) others.push(entry.resource);
    else map.set(entry.fullUrl, [entry.resource]);
  }
  found.set(bundle, map);
  return map;
}

const metaOf = ({ meta }: JsonObject): JsonObject => (isObject(meta) ? meta : {});

const timeOf = (one: JsonObject): number => Date.parse(String(metaOf(one).lastUpdated)) || 0;

/** Of versions of one resource: that version, or the latest; of equals the first. */
function versionAmong(some: readonly JsonObject[], version: string | undefined): JsonObject | undefined {
  if (version !== undefined) return some.find((one) => metaOf(one).versionId === version);
  return some.reduce<JsonObject | undefined>(
    (best, one) => (best && timeOf(best) >= timeOf(one) ? best : one),
    undefined,
  );
}

/** Undefined for a relative reference where nothing says of which server it is. */
export function entryTarget({ bundle, fullUrl }: BundleEntry, text: string): EntryTarget | undefined {
  if (bundle.resourceType !== 'Bundle') return { text };
  const root = restful.exec(fullUrl ?? '')?.[1];
  const isRelative = !/^[a-z][a-z0-9+.-]*:/i.test(text);
  if (isRelative && root === undefined) return undefined;
  const absolute = isRelative ? `${root}/${text}` : text;
  const [, url = absolute, version] = /^(.*)\/_history\/([^/]*)$/s.exec(absolute) ?? [];
  const at = versionAmong(byFullUrl(bundle).get(url) ?? [], version);
  return at ? { at, entry: { bundle, fullUrl: url } } : { text: absolute };
}

/** Whether the resource that stands there is the one that this server has under its type and id. */
export function isOurs({ fullUrl }: BundleEntry, type: string, id: unknown, baseUrl: string): boolean {
  if (fullUrl === undefined) return false;
  const parsed = parseReference(fullUrl, baseUrl);
  return parsed.kind === 'local' && parsed.type === type && parsed.id === id && fullUrl.includes(':');
}
