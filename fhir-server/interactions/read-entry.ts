// A read, vread or search as an entry of a transaction: https://hl7.org/fhir/R4/http.html#trules, step 4.
import type { EntryResult } from '#fhir-model';
import { CerebraError } from '#platform';
import { readCurrent, readVersion } from '../store/read.ts';
import type { Caller, Core } from './core.ts';
import { at, type Plan, parseUrl } from './entries.ts';
import { notModified } from './etag.ts';
import { searchPairs, searchType } from './search.ts';

/** How a transaction answers its reads; `caller` sees what it has written. */
export type EntryReader = (core: Core, plan: Plan, caller: Caller) => Promise<EntryResult>;

/** UTF-16 units of all answers of a Bundle: each of 10,000 searches could yield megabytes. */
export const ANSWER_CHARACTERS_MAX = 64 * 1024 * 1024;

export const answerTooLarge = (index: number): CerebraError =>
  new CerebraError(
    'too-costly',
    `The answers of this Bundle have more than ${ANSWER_CHARACTERS_MAX} characters: ask for less, or in several Bundles`,
    { expression: [at(index, '.request.url')] },
  );

/** Without HTTP around it, for entries of other rooms: read, vread and type search. */
export async function readEntry(core: Core, { entry, index }: Plan, caller: Caller): Promise<EntryResult> {
  const { type, id = '', version, query } = parseUrl(core, index, entry.url);
  const base = { type, version: 0, updatedMs: 0, op: 'none' as const };
  if (id === '') {
    return {
      ...base,
      status: 200,
      id,
      body: await searchType(core, { type, pairs: searchPairs(query), strict: false }, caller),
    };
  }
  const found =
    version === undefined
      ? await readCurrent(caller.db, type, id, caller.scope)
      : await readVersion(caller.db, type, id, version, caller.scope);
  const expression = [at(index, '.request.url')];
  if (!found) throw new CerebraError('not-found', `${type}/${id} is not known`, { expression });
  const { deleted, ...stored } = found;
  if (deleted) throw new CerebraError('deleted', `${type}/${id} was deleted`, { expression });
  const fresh = notModified(found.version, found.updatedMs, entry.ifNoneMatch, entry.ifModifiedSince);
  return { ...base, ...stored, status: fresh ? 304 : 200, body: fresh ? '' : found.body };
}
