// https://hl7.org/fhir/R4/http.html#read, #vread, #history
import { isId, type StoredVersion, stringify } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { isAmbiguous, notModified } from '../interactions/etag.ts';
import { history } from '../interactions/history.ts';
import { assertType } from '../interactions/search.ts';
import { applySubset, readSubset } from '../interactions/subset.ts';
import { readVersion } from '../store/read.ts';
import { nativeAnswer } from './binary.ts';
import { builtInDefinition } from './operations.ts';
import type { Answer, FhirRequest } from './request.ts';
import { callerOf } from './search-routes.ts';

/** The part of the resource that was asked for. Without `_summary` and `_elements` the text goes as it is stored. */
export function partOf(core: Core, request: FhirRequest, type: string, body: string): string {
  const { queryString, pairs, strict } = request;
  if (!queryString.includes('_summary') && !queryString.includes('_elements')) return body;
  return applySubset(core, body, readSubset(core, [type], pairs, strict));
}

/**
 * Whether the version is told from the one before it by If-Modified-Since. The version before is read only where it could
 * matter: for a 304 to an HTTP date of the second in which this one came.
 */
async function isToldApart(core: Core, found: StoredVersion, { req, scope }: FhirRequest): Promise<boolean> {
  const { type, id, version, updatedMs } = found;
  const { 'if-none-match': tag, 'if-modified-since': since } = req.headers;
  if (version === 1 || !isAmbiguous(updatedMs, updatedMs, tag, since)) return true;
  const before = await readVersion(core.store.db, type, id, version - 1, scope);
  return before !== undefined && !isAmbiguous(updatedMs, before.updatedMs, tag, since);
}

function answerVersion(
  core: Core,
  found: StoredVersion | undefined,
  request: FhirRequest,
  name: string,
  isTold = true,
): Answer {
  if (!found) throw new CerebraError('not-found', `${name} is not known`);
  const { version, updatedMs } = found;
  if (found.deleted) throw new CerebraError('deleted', `${name} was deleted as version ${version}`);
  const { headers } = request.req;
  if (isTold && notModified(version, updatedMs, headers['if-none-match'], headers['if-modified-since'])) {
    return { status: 304, version, updatedMs };
  }
  const native = found.type === 'Binary' ? nativeAnswer(request, found.body) : undefined;
  if (native) return { ...native, version, updatedMs };
  return { status: 200, body: partOf(core, request, found.type, found.body), version, updatedMs };
}

/** What is no id can't be the id of anything; the database is not asked. */
export function assertKnowable(name: string, id: string): void {
  if (!isId(id)) throw new CerebraError('not-found', `${name} is not known`);
}

export async function read(core: Core, request: FhirRequest): Promise<Answer> {
  const [type = '', id = ''] = request.segments;
  assertType(core, type);
  const name = `${type}/${id.slice(0, 64)}`;
  assertKnowable(name, id);
  const found = await core.store.read({ type, id, scope: request.scope });
  const builtIn = !found && type === 'OperationDefinition' ? builtInDefinition(core, id) : undefined;
  if (builtIn) return { status: 200, body: partOf(core, request, type, stringify(builtIn)) };
  // Nearly every read is without the header, and has nothing to wait for.
  const isTold = !found || !request.req.headers['if-modified-since'] || (await isToldApart(core, found, request));
  return answerVersion(core, found, request, name, isTold);
}

export async function vread(core: Core, request: FhirRequest): Promise<Answer> {
  const [type = '', id = '', , text = ''] = request.segments;
  assertType(core, type);
  assertKnowable(`${type}/${id.slice(0, 64)}`, id);
  const version = /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 0;
  const found = await readVersion(core.store.db, type, id, version, request.scope);
  return answerVersion(core, found, request, `${type}/${id.slice(0, 64)}/_history/${text.slice(0, 64)}`);
}

export const historyOf =
  (level: 'instance' | 'type' | 'system') =>
  async (core: Core, request: FhirRequest): Promise<Answer> => {
    const [type = '', id = ''] = request.segments;
    const target = level === 'system' ? {} : level === 'type' ? { type } : { type, id };
    return { status: 200, body: await history(core, target, request.pairs, callerOf(core, request), request.strict) };
  };
