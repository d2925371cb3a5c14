// What a reference in an entry of a Bundle names: https://hl7.org/fhir/R4/bundle.html#references

/** https://hl7.org/fhir/R4/references.html#regex, with the parts of a URL that is no reference to a version. */
const restful = /^(https?:\/\/.+)\/([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/;

/** A fullUrl is taken apart for each reference of its entry: a megabyte of it, ten thousand times, would take seconds. */
const charactersMax = 2_048;

/** Whether a URI begins with a scheme: `urn:`, `https:`. */
export const isAbsolute = (uri: string): boolean => /^[A-Za-z][A-Za-z0-9+.-]*:/.test(uri);

/** Of `http://example.org/fhir/Patient/23` the server, `http://example.org/fhir`, the type and the id. */
export interface RestfulUrl {
  server: string;
  type: string;
  id: string;
}

/** Undefined for what is no RESTful URL: a URN, a URL of another form, or one with a version, which a fullUrl never has. */
export function restfulUrl(fullUrl: string | undefined): RestfulUrl | undefined {
  if (fullUrl === undefined || fullUrl.length > charactersMax) return undefined;
  const [, server, type, id] = restful.exec(fullUrl) ?? [];
  return server === undefined ? undefined : { server, type: type!, id: id! };
}

/**
 * The absolute form of a reference in the entry that has this fullUrl. A relative one belongs to the server of the fullUrl,
 * else to `ours`; undefined where neither says of which server it is.
 */
export function urlInEntry(text: string, fullUrl: string | undefined, ours?: string): string | undefined {
  if (isAbsolute(text)) return text;
  const server = restfulUrl(fullUrl)?.server ?? ours;
  return server === undefined ? undefined : `${server}/${text}`;
}

export interface VersionedUrl {
  url: string;
  version?: string;
}

/** "Remove the version from the URL before matching fullUrl, and then match the version based on Resource.meta.versionId." */
export function withoutVersion(absolute: string): VersionedUrl {
  const at = absolute.lastIndexOf('/_history/');
  if (at === -1) return { url: absolute };
  const version = absolute.slice(at + '/_history/'.length);
  return version.includes('/') ? { url: absolute } : { url: absolute.slice(0, at), version };
}

interface WithMeta {
  meta?: unknown;
}

const metaOf = ({ meta }: WithMeta): { versionId?: unknown; lastUpdated?: unknown } =>
  typeof meta === 'object' && meta !== null ? meta : {};

const timeOf = (one: WithMeta): number => Date.parse(String(metaOf(one).lastUpdated)) || 0;

/** The resources that have one fullUrl: versions of one. */
interface Versions<T> {
  latest: T;
  byVersion: Map<unknown, T>;
}

/**
 * Finds the resource that an absolute reference means: of versions the one that it names, or the latest; of equals the first.
 * Bundles may have as many references to as many versions as fit into them: none is looked through for another.
 */
export function entriesByReference<T extends WithMeta>(
  entries: Iterable<{ readonly fullUrl: string; readonly resource: T }>,
): (absolute: string) => T | undefined {
  const all = new Map<string, Versions<T>>();
  for (const { fullUrl, resource } of entries) {
    const { versionId } = metaOf(resource);
    const known = all.get(fullUrl);
    if (known === undefined) all.set(fullUrl, { latest: resource, byVersion: new Map([[versionId, resource]]) });
    else {
      if (timeOf(resource) > timeOf(known.latest)) known.latest = resource;
      if (!known.byVersion.has(versionId)) known.byVersion.set(versionId, resource);
    }
  }
  return (absolute) => {
    const { url, version } = withoutVersion(absolute);
    const found = all.get(url);
    return version === undefined ? found?.latest : found?.byVersion.get(version);
  };
}
