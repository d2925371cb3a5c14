// https://hl7.org/fhir/R4/http.html#create, #update, #patch, #delete, by id and by criteria
import { isUtf8 } from 'node:buffer';
import { type EntryResult, parseSentJson, type Resource, type TransactionEntry } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import { runEntry } from '../interactions/batch.ts';
import type { Core } from '../interactions/core.ts';
import { assertConditions, preconditionOf } from '../interactions/etag.ts';
import { withParameters } from '../interactions/indexed.ts';
import { type PatchRequest, patchById, patchWhere } from '../interactions/patch.ts';
import { assertType, parseCriteria } from '../interactions/search.ts';
import { versionError, withVersion } from '../interactions/version-required.ts';
import { parsePatch, patchFormat } from '../patch/apply.ts';
import { assertId } from '../store/store.ts';
import { readBinary, takesResource } from './binary.ts';
import { assertKnowable } from './reads.ts';
import { type Answer, assertSingle, type FhirRequest, mediaType, readResource, readText } from './request.ts';

const outcomeText = (diagnostics: string): string =>
  JSON.stringify({
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'information', code: 'informational', diagnostics }],
  });

/** https://hl7.org/fhir/R4/http.html#ops: what is preferred comes back, the resource where nothing is. */
function written(core: Core, { prefer = 'representation' }: Pick<FhirRequest, 'prefer'>, result: EntryResult): Answer {
  const { status, version, updatedMs, type, id, op } = result;
  const location = `${core.baseUrl}/${type}/${id}/_history/${version}`;
  const answer: Answer = { status, version, updatedMs, location };
  if (prefer === 'representation') return { ...answer, body: result.body };
  if (prefer === 'minimal') return answer;
  const done = op === 'none' ? `is unchanged, its version is ${version}` : `is stored as version ${version}`;
  return { ...answer, body: outcomeText(`${type}/${id} ${done}`) };
}

const HEADERS: Record<string, string> = {
  ifNoneExist: 'If-None-Exist',
  ifMatch: 'If-Match',
  ifNoneMatch: 'If-None-Match',
  url: 'url',
};

/** An entry's expressions are those of a Bundle; alone it is the resource, the URL or a header that is at fault. */
function aloneExpression(path: string, type: string): string {
  const request = /^Bundle\.entry\[0\]\.request\.(\w+)$/.exec(path);
  if (request) return HEADERS[request[1]!] ?? request[1]!;
  return path.replace(/^Bundle\.entry\[0\](?:\.resource)?/, type);
}

function withoutEntry(error: unknown, type: string): unknown {
  if (!(error instanceof CerebraError)) return error;
  for (const issue of error.issues) {
    if (issue.expression) issue.expression = issue.expression.map((path) => aloneExpression(path, type));
  }
  return error;
}

const header = (request: FhirRequest, name: string): string | undefined => {
  const value = request.req.headers[name];
  return Array.isArray(value) ? value.join(',') : value;
};

/**
 * Node takes each byte of a header for a character. Criteria that were typed into a shell are UTF-8: taken for others they would
 * find nothing, and each POST would create another one.
 */
function criteriaOf(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : text;
}

/** The request's conditions, as an entry has them. */
function conditions(request: FhirRequest): Pick<TransactionEntry, 'ifNoneExist' | 'ifMatch' | 'ifNoneMatch'> {
  const ifNoneExist = header(request, 'if-none-exist');
  const ifMatch = header(request, 'if-match');
  const ifNoneMatch = header(request, 'if-none-match');
  // RFC 9110 has it evaluated: ignored, another's change would be lost. With If-Match it is to be ignored.
  if (ifMatch === undefined && header(request, 'if-unmodified-since') !== undefined) {
    const text = 'If-Unmodified-Since has whole seconds, in which others may write: send If-Match with the version';
    throw new CerebraError('unsupported', text, { expression: ['If-Unmodified-Since'] });
  }
  return {
    ...(ifNoneExist === undefined ? {} : { ifNoneExist: criteriaOf(ifNoneExist) }),
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
  };
}

/** Search parameters that none of a type's own begin with. */
const JOINS = new Set(['_has', '_list', '_filter', '_query']);

/**
 * Throws `invalid` for criteria where none are looked at: who deletes `Patient/1?active=false` means it only if that is so, and who posts to
 * `Patient?identifier=1` wants one patient, however often.
 */
function assertNoCriteria({ parameters }: Core, { pairs, segments }: FhirRequest): void {
  const [type = '', id] = segments;
  const name = pairs
    .map(([each]) => each)
    .find((each) => {
      const [first = ''] = each.split(/[:.]/);
      return JOINS.has(first) || parameters.get(type, first) !== undefined;
    });
  if (name === undefined) return;
  const text =
    id === undefined
      ? `A create takes criteria in If-None-Exist: '${name.slice(0, 80)}' in the URL would be ignored`
      : `${type}/${id.slice(0, 64)} would be changed whatever it is like, '${name.slice(0, 80)}' ignored: leave that out, or the id, for a change by criteria`;
  throw new CerebraError('invalid', text, { expression: [name] });
}

async function runAlone(core: Core, entry: TransactionEntry, request: FhirRequest): Promise<EntryResult> {
  const [type = ''] = request.segments;
  assertConditions(entry);
  const run = withVersion(core, entry, type, 'If-Match');
  try {
    return await runEntry(core, run, 0, request.scope);
  } catch (error) {
    throw versionError(entry, run, type, withoutEntry(error, type));
  }
}

/** `Patient/1`, or `Patient?criteria`. */
function urlOf({ segments, queryString }: FhirRequest): string {
  const [type = '', id] = segments;
  return id === undefined ? `${type}?${queryString}` : `${type}/${id}`;
}

interface Posted {
  resource: Resource;
  /** Content in its native type: who has just sent it needs it back only as the resource that it became. */
  native: boolean;
}

async function readPosted(core: Core, request: FhirRequest): Promise<Posted> {
  const [type, id] = request.segments;
  if (type === 'Binary') return readBinary(core, request, id);
  return { resource: await readResource(request), native: false };
}

const preferred = (request: FhirRequest, { native }: Posted): Pick<FhirRequest, 'prefer'> => ({
  prefer: request.prefer ?? (native && !takesResource(request) ? 'minimal' : 'representation'),
});

export async function create(core: Core, request: FhirRequest): Promise<Answer> {
  const [type = ''] = request.segments;
  assertType(core, type);
  assertNoCriteria(core, request);
  const posted = await readPosted(core, request);
  const given = conditions(request);
  if (given.ifNoneExist !== undefined) assertSingle(request.req, 'if-none-exist');
  const entry: TransactionEntry = { method: 'POST', url: type, resource: posted.resource, ...given };
  return written(core, preferred(request, posted), await runAlone(core, entry, request));
}

export async function update(core: Core, request: FhirRequest): Promise<Answer> {
  const [type = '', id] = request.segments;
  assertType(core, type);
  if (id !== undefined) {
    assertId(id);
    assertNoCriteria(core, request);
  }
  const posted = await readPosted(core, request);
  const { resource } = posted;
  const entry: TransactionEntry = { method: 'PUT', url: urlOf(request), resource, ...conditions(request) };
  return written(core, preferred(request, posted), await runAlone(core, entry, request));
}

async function readParameters(request: FhirRequest): Promise<Resource> {
  try {
    return await readResource(request);
  } catch (error) {
    if (!isCerebraError(error, 'structure')) throw error;
    const text = `${error.message}. In this format a patch is a Parameters resource; a JSON Patch is application/json-patch+json`;
    throw new CerebraError('structure', text, { expression: error.issues[0]?.expression });
  }
}

/** The patch in the body: JSON Patch and JSON Merge Patch by their types, FHIRPath Patch as a resource in any FHIR type. */
async function readPatch(core: Core, request: FhirRequest) {
  assertSingle(request.req, 'content-type');
  const format = patchFormat(mediaType(request.req.headers['content-type']));
  if (!format) return parsePatch(core, 'fhirpath-patch', await readParameters(request));
  return parsePatch(core, format, parseSentJson(await readText(request)).exact);
}

export async function patch(core: Core, request: FhirRequest): Promise<Answer> {
  const [type = '', id] = request.segments;
  assertType(core, type);
  if (id !== undefined) {
    assertKnowable(`${type}/${id.slice(0, 64)}`, id);
    assertNoCriteria(core, request);
  }
  const given: TransactionEntry = { method: 'PATCH', url: urlOf(request), ...conditions(request) };
  assertConditions(given);
  const entry = withVersion(core, given, type, 'If-Match');
  const asked: PatchRequest = {
    type,
    patch: await readPatch(core, request),
    ifVersion: preconditionOf(entry),
    scope: request.scope,
  };
  const criteria = () => parseCriteria(core, type, request.queryString, 'url');
  try {
    const result =
      id === undefined
        ? await patchWhere(core, asked, await withParameters(core, criteria))
        : await patchById(core, asked, id);
    return written(core, request, result);
  } catch (error) {
    throw withoutEntry(error, type);
  }
}

function deletedText(type: string, id: string | undefined, result: EntryResult): string {
  if (result.op !== 'delete') return 'There was nothing to delete';
  return id === undefined ? `What matched of ${type} is deleted` : `${type}/${id} is deleted`;
}

export async function remove(core: Core, request: FhirRequest): Promise<Answer> {
  const [type = '', id] = request.segments;
  assertType(core, type);
  if (id !== undefined) assertNoCriteria(core, request);
  const entry: TransactionEntry = { method: 'DELETE', url: urlOf(request), ...conditions(request) };
  const result = await runAlone(core, entry, request);
  const answer: Answer = { status: 204 };
  // What criteria match may be several: none of their versions is that of the answer.
  if (id !== undefined && result.version > 0) {
    Object.assign(answer, { version: result.version, updatedMs: result.updatedMs });
  }
  if (request.prefer !== 'OperationOutcome') return answer;
  return { ...answer, status: 200, body: outcomeText(deletedText(type, id, result)) };
}
