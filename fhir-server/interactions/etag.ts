// ETag, If-Match, If-None-Match, If-Modified-Since: https://hl7.org/fhir/R4/http.html#versioning, #cread, #concurrency
import { CerebraError } from '#platform';

export const etag = (version: number): string => `W/"${version}"`;

/** The version that `W/"3"`, `"3"` or `3` names; undefined without a header. Throws `invalid` for anything else. */
export function parseIfMatch(header: string | undefined): number | undefined {
  if (header === undefined || header === '' || header === '*') return undefined;
  const match = /^(?:W\/)?"?(\d{1,9})"?$/.exec(header.trim());
  if (match) return Number(match[1]);
  throw new CerebraError('invalid', 'If-Match must be one version id in the form W/"1"', { expression: ['If-Match'] });
}

/** Whether the client's copy is still the current one, so that 304 does. */
export function notModified(
  version: number,
  updatedMs: number,
  ifNoneMatch: string | undefined,
  ifModifiedSince: string | undefined,
): boolean {
  if (ifNoneMatch)
    return ifNoneMatch
      .split(',')
      .some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === `"${version}"`);
  if (!ifModifiedSince) return false;
  const since = Date.parse(ifModifiedSince);
  // The header has whole seconds: a change within that second counts as unchanged only if it is not later.
  return Number.isFinite(since) && Math.floor(updatedMs / 1000) * 1000 <= since;
}
