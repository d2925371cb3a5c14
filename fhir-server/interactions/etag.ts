// ETag, If-Match, If-None-Match, If-Modified-Since: https://hl7.org/fhir/R4/http.html#versioning, #cread, #concurrency
import type { TransactionEntry } from '#fhir-model';
import { CerebraError } from '#platform';
import { ANY_VERSION, NO_VERSION } from '../store/preconditions.ts';

export const etag = (version: number): string => `W/"${version}"`;

/**
 * The version that `W/"3"`, `"3"` or `3` names, ANY_VERSION for `*`; undefined without a header. Throws
 * `precondition-failed` for the tag of no version, `invalid` for what is no tag, an empty header among them, or more than
 * one: a client that meant a condition must not change what it hasn't seen.
 */
function parseIfMatch(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (text === '*') return ANY_VERSION;
  const version = /^(?:(?:W\/)?"([1-9]\d{0,8})"|([1-9]\d{0,8}))$/.exec(text);
  if (version) return Number(version[1] ?? version[2]);
  const expression = ['If-Match'];
  if (/^(?:W\/)?"[\x21\x23-\x7e]*"$/.test(text)) {
    throw new CerebraError('precondition-failed', `${text.slice(0, 80)} is the ETag of no version`, { expression });
  }
  throw new CerebraError('invalid', 'If-Match must be one version id in the form W/"1", or *', { expression });
}

/**
 * What a change asks of the version it follows: a version, ANY_VERSION, NO_VERSION for a PUT with `If-None-Match: *`, or
 * undefined for nothing. Throws what parseIfMatch does, and `invalid` for an If-None-Match of another kind.
 */
export function preconditionOf(entry: { method: string; ifMatch?: string; ifNoneMatch?: string }): number | undefined {
  const { method, ifMatch, ifNoneMatch } = entry;
  if (ifNoneMatch === undefined) return parseIfMatch(ifMatch);
  if (method === 'PUT' && ifNoneMatch.trim() === '*' && ifMatch === undefined) return NO_VERSION;
  const text = 'A change takes If-Match with one version, and an update alone If-None-Match: * to create only';
  throw new CerebraError('invalid', text, { expression: ['If-None-Match'] });
}

/** A condition where it can't be one: ignored, what the client meant to prevent would be done. */
const misplaced = (text: string, header: string): CerebraError =>
  new CerebraError('invalid', text, { expression: [header] });

/** Throws `invalid` for If-None-Exist with anything but a create, and for a version with one. */
export function assertConditions(entry: Pick<TransactionEntry, 'method' | 'ifNoneExist' | 'ifMatch' | 'ifNoneMatch'>) {
  const { method, ifNoneExist, ifMatch, ifNoneMatch } = entry;
  if (method !== 'POST') {
    if (ifNoneExist === undefined) return;
    const text = 'If-None-Exist is the condition of a create; an update takes criteria in its URL, or If-None-Match: *';
    throw misplaced(text, 'If-None-Exist');
  }
  if (ifMatch === undefined && ifNoneMatch === undefined) return;
  const header = ifMatch === undefined ? 'If-None-Match' : 'If-Match';
  throw misplaced(`A create follows no version, so ${header} can't hold: its condition is If-None-Exist`, header);
}

const secondOf = (ms: number): number => Math.floor(ms / 1000);

/** As entries of a Bundle have it, and `meta.lastUpdated`: with milliseconds. */
const isInstant = (text: string): boolean => /^\s*\d{4}-/.test(text);

const opaque = (tag: string): string => tag.trim().replace(/^W\//, '');

/** Whether If-None-Match names the tag, compared weakly: `*` is any. https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2 */
export const namesTag = (ifNoneMatch: string, tag: string): boolean =>
  ifNoneMatch.split(',').some((one) => one.trim() === '*' || opaque(one) === opaque(tag));

/** Whether the client's copy is still the current one, so that 304 does. */
export function notModified(
  version: number,
  updatedMs: number,
  ifNoneMatch: string | undefined,
  ifModifiedSince: string | undefined,
): boolean {
  if (ifNoneMatch) return namesTag(ifNoneMatch, etag(version));
  if (!ifModifiedSince) return false;
  const since = Date.parse(ifModifiedSince);
  if (!Number.isFinite(since)) return false;
  // An HTTP date has whole seconds, as Last-Modified had.
  return isInstant(ifModifiedSince) ? updatedMs <= since : secondOf(updatedMs) * 1000 <= since;
}

/**
 * Whether an HTTP date says nothing about two versions: a client that read the former of two that came within one second
 * has the same Last-Modified as one that read the latter.
 */
export function isAmbiguous(
  updatedMs: number,
  beforeMs: number,
  ifNoneMatch: string | undefined,
  ifModifiedSince: string | undefined,
): boolean {
  if (ifNoneMatch || !ifModifiedSince || isInstant(ifModifiedSince)) return false;
  const second = secondOf(updatedMs);
  return secondOf(beforeMs) === second && secondOf(Date.parse(ifModifiedSince)) === second;
}
