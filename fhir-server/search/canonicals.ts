// References by canonical URL, with or without a business version: https://hl7.org/fhir/R4/references.html#canonical
import { type IndexValue, parseCanonical, type Resource, type StoredVersion } from '#fhir-model';

/** What a resource is referred to by. */
export interface Canonical {
  type: string;
  url: string;
  version: string | undefined;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** The canonical URL of a stored resource; undefined when it has none. */
export function canonicalUrl({ type, body }: StoredVersion): Canonical | undefined {
  const resource = JSON.parse(body) as Resource;
  const url = text(resource.url);
  return url === undefined ? undefined : { type, url, version: text(resource.version) };
}

/** `url` or `url|version`. */
export interface CanonicalReference {
  url: string;
  version: string | undefined;
}

/**
 * The canonical references among a resource's values of one parameter. `url|2` is a value as `url` too, which asks for nothing
 * then; beside it the resource may refer to `url` itself, which comes once more.
 */
export function canonicalReferences(values: readonly IndexValue[]): CanonicalReference[] {
  const urls = values.flatMap((value) => (value.kind === 'reference' && value.url !== undefined ? [value.url] : []));
  const all = urls.map(parseCanonical);
  const unversioned = new Map<string, number>();
  for (const [i, { url, version }] of all.entries()) {
    // What names a part of a resource is a value without the part as well.
    if (urls[i]!.includes('#')) continue;
    unversioned.set(url, (unversioned.get(url) ?? 0) + (version === undefined ? 1 : -1));
  }
  return all.filter(({ url, version }) => version !== undefined || unversioned.get(url) !== 0);
}

/** Whether a resource is one that these mean. */
export const isMeantBy = (references: readonly CanonicalReference[], resource: Resource): boolean =>
  references.some(
    ({ url, version }) => resource.url === url && (version === undefined || resource.version === version),
  );

/** Whether one of a resource's reference values means one of these. */
export function refersToCanonical(values: readonly IndexValue[], targets: readonly Canonical[]): boolean {
  return canonicalReferences(values).some(({ url, version }) =>
    targets.some((target) => target.url === url && (version === undefined || version === target.version)),
  );
}
