// https://hl7.org/fhir/R4/http.html#patch: by id and by criteria; entry-patch.ts has those of Bundles.
import {
  type AccessScope,
  type EntryResult,
  parseJson,
  type Resource,
  type SearchQuery,
  type StoredVersion,
} from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import { assertWrites } from '../access/scope.ts';
import type { Patch } from '../patch/apply.ts';
import { holds } from '../store/preconditions.ts';
import { readCurrent } from '../store/read.ts';
import { assertValid, storeUpdate, versionMismatch } from '../store/store.ts';
import type { Core } from './core.ts';
import { criteriaKey, type Plan } from './entries.ts';
import { matchCriteria } from './search.ts';
import { runPlans, transaction } from './transaction.ts';

/** What is asked of one patch. */
export interface PatchRequest {
  type: string;
  patch: Patch;
  /** A version, ANY_VERSION, or undefined. */
  ifVersion: number | undefined;
  scope: AccessScope;
}

/** Attempts without a lock. Each loss means that another writer has committed; then it is done under the row's lock. */
const ATTEMPTS_MAX = 8;

function assertCurrent(type: string, id: string, found: StoredVersion | undefined): asserts found is StoredVersion {
  if (!found) throw new CerebraError('not-found', `${type}/${id} is not known: there is nothing to patch`);
  if (found.deleted) throw new CerebraError('deleted', `${type}/${id} was deleted as version ${found.version}`);
}

function assertFollows({ type, id, version }: StoredVersion, ifVersion: number | undefined): void {
  if (!holds(ifVersion, version)) throw versionMismatch(type, id, ifVersion!, version);
}

const unchanged = ({ type, id, version, updatedMs, body }: StoredVersion): EntryResult => ({
  ...{ status: 200, type, id, version, updatedMs, body },
  op: 'none',
});

/** The patched resource, valid; undefined when the patch changes nothing. */
function patchedOf(core: Core, patch: Patch, body: string): Resource | undefined {
  const existing = parseJson(body).exact as Resource;
  const patched = patch(existing);
  if (patched === existing) return undefined;
  assertValid(core.store, patched);
  return patched;
}

/** Undefined: somebody else has changed the resource meanwhile. */
async function patchVersion(core: Core, request: PatchRequest, found: StoredVersion): Promise<EntryResult | undefined> {
  assertFollows(found, request.ifVersion);
  const patched = patchedOf(core, request.patch, found.body);
  if (!patched) return unchanged(found);
  const checked = core.onWrite.check(patched);
  const resource = checked === undefined ? patched : await checked;
  try {
    return await storeUpdate(core.store, resource, found.id, found.version, request.scope);
  } catch (error) {
    if (isCerebraError(error, 'precondition-failed')) return undefined;
    throw error;
  }
}

/** As the one entry of a transaction that locks the row first: waits for others, and needs no further attempt. */
async function patchLocked(core: Core, { type, patch, ifVersion, scope }: PatchRequest, id: string) {
  const merge = (existing: Resource | undefined): Resource => {
    if (!existing) throw new CerebraError('deleted', `${type}/${id} was deleted`);
    const version = Number(existing.meta?.versionId);
    if (!holds(ifVersion, version)) throw versionMismatch(type, id, ifVersion!, version);
    return patch(existing);
  };
  const entry = { method: 'PUT', url: `${type}/${id}`, resource: { resourceType: type, id }, merge } as const;
  const [result] = await transaction(core, [entry], { scope });
  return result!;
}

/**
 * Patches one resource; no change of others is ever lost. Throws `not-found`, `deleted`, `precondition-failed` for
 * If-Match, `patch-failed`, and `structure` when the result is not valid.
 */
export async function patchById(core: Core, request: PatchRequest, id: string): Promise<EntryResult> {
  const { type, scope } = request;
  assertWrites(scope);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const found = await readCurrent(core.store.db, type, id, scope);
    assertCurrent(type, id, found);
    const result = await patchVersion(core, request, found);
    if (result) return result;
  }
  return patchLocked(core, request, id);
}

/** As the one entry of a transaction, which locks what it has found and looks whether it still matches. */
async function patchMatchLocked(core: Core, request: PatchRequest, query: SearchQuery): Promise<EntryResult> {
  const { type, patch, ifVersion, scope } = request;
  const key = criteriaKey(type, '', query.used);
  const entry = { method: 'PATCH', url: key } as const;
  const plan: Plan = {
    index: 0,
    entry,
    method: 'PATCH',
    type,
    id: undefined,
    criteria: query,
    criteriaKey: key,
    ifVersion,
  };
  const [result] = await runPlans(core, [{ ...plan, patch, alone: true }], { scope });
  return result!;
}

/** Patches the one resource that matches, as it is while it matches: https://hl7.org/fhir/R4/http.html#patch */
export async function patchWhere(core: Core, request: PatchRequest, query: SearchQuery): Promise<EntryResult> {
  const { type, scope } = request;
  assertWrites(scope);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const [found, other] = await matchCriteria(core, query, { scope, db: core.store.db });
    if (other) {
      throw new CerebraError('multiple-matches', 'The criteria match more than one resource: make them more exact', {
        expression: ['url'],
      });
    }
    if (!found) throw new CerebraError('not-found', `No ${type} matches the criteria`, { expression: ['url'] });
    const result = await patchVersion(core, request, found);
    if (result) return result;
  }
  return patchMatchLocked(core, request, query);
}
