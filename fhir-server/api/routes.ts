// The FHIR API as data: routes and the CapabilityStatement are both made of this list.
// https://hl7.org/fhir/R4/http.html#summary
import { type EntryResult, isId, type StoredVersion, type TransactionEntry } from '#fhir-model';
import { CerebraError } from '#platform';
import { runEntry } from '../interactions/batch.ts';
import { postBundle } from '../interactions/bundle.ts';
import { capabilityStatement } from '../interactions/capabilities.ts';
import type { Core } from '../interactions/core.ts';
import { notModified } from '../interactions/etag.ts';
import { history } from '../interactions/history.ts';
import { assertType, searchType } from '../interactions/search.ts';
import { readCurrent, readVersion } from '../store/read.ts';
import { assertId } from '../store/store.ts';
import { type Answer, type FhirRequest, readForm, readResource } from './request.ts';

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Segments; `:name` stands for any. */
  path: string;
  /** Its name in metrics, and in the CapabilityStatement where it is a code of one of these value sets. */
  interaction: string;
  level: 'type' | 'system' | 'none';
  handle(core: Core, request: FhirRequest): Promise<Answer>;
}

const segment = (request: FhirRequest, index: number): string => request.segments[index] ?? '';

function answerVersion(found: StoredVersion | undefined, request: FhirRequest, name: string): Answer {
  if (!found) throw new CerebraError('not-found', `${name} is not known`);
  const { version, updatedMs } = found;
  if (found.deleted) throw new CerebraError('deleted', `${name} was deleted as version ${version}`);
  const { headers } = request.req;
  if (notModified(version, updatedMs, headers['if-none-match'], headers['if-modified-since'])) {
    return { status: 304, version, updatedMs };
  }
  return { status: 200, body: found.body, version, updatedMs };
}

/** What is no id can't be the id of anything; the database is not asked. */
function assertKnowable(name: string, id: string): void {
  if (!isId(id)) throw new CerebraError('not-found', `${name} is not known`);
}

async function read(core: Core, request: FhirRequest): Promise<Answer> {
  const type = segment(request, 0);
  const id = segment(request, 1);
  assertType(core, type);
  assertKnowable(`${type}/${id.slice(0, 64)}`, id);
  const found = await readCurrent(core.store.db, type, id, request.scope);
  return answerVersion(found, request, `${type}/${id.slice(0, 64)}`);
}

async function vread(core: Core, request: FhirRequest): Promise<Answer> {
  const [type = '', id = '', , text = ''] = request.segments;
  assertType(core, type);
  assertKnowable(`${type}/${id.slice(0, 64)}`, id);
  const version = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  const found = await readVersion(core.store.db, type, id, version, request.scope);
  return answerVersion(found, request, `${type}/${id.slice(0, 64)}/_history/${text.slice(0, 64)}`);
}

function written(core: Core, request: FhirRequest, result: EntryResult): Answer {
  const { status, version, updatedMs, type, id } = result;
  const location = `${core.baseUrl}/${type}/${id}/_history/${version}`;
  const answer: Answer = { status, version, updatedMs, location };
  const prefer = request.prefer ?? 'representation';
  if (prefer === 'representation') return { ...answer, body: result.body };
  if (prefer === 'OperationOutcome')
    return { ...answer, body: outcomeText(`${type}/${id} is stored as version ${version}`) };
  return answer;
}

const outcomeText = (diagnostics: string): string =>
  JSON.stringify({
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'information', code: 'informational', diagnostics }],
  });

const HEADERS: Record<string, string> = { ifNoneExist: 'If-None-Exist', ifMatch: 'If-Match', url: 'url' };

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

async function runAlone(core: Core, entry: TransactionEntry, request: FhirRequest): Promise<EntryResult> {
  try {
    return await runEntry(core, entry, 0, request.scope);
  } catch (error) {
    throw withoutEntry(error, segment(request, 0));
  }
}

const header = (request: FhirRequest, name: string): string | undefined => {
  const value = request.req.headers[name];
  return Array.isArray(value) ? value.join(',') : value;
};

async function create(core: Core, request: FhirRequest): Promise<Answer> {
  const type = segment(request, 0);
  assertType(core, type);
  const entry: TransactionEntry = { method: 'POST', url: type, resource: await readResource(request) };
  const ifNoneExist = header(request, 'if-none-exist');
  if (ifNoneExist !== undefined) entry.ifNoneExist = ifNoneExist;
  return written(core, request, await runAlone(core, entry, request));
}

async function update(core: Core, request: FhirRequest): Promise<Answer> {
  const [type = '', id] = request.segments;
  assertType(core, type);
  if (id !== undefined) assertId(id);
  const url = id === undefined ? `${type}?${request.queryString}` : `${type}/${id}`;
  const entry: TransactionEntry = { method: 'PUT', url, resource: await readResource(request) };
  const ifMatch = header(request, 'if-match');
  if (ifMatch !== undefined) entry.ifMatch = ifMatch;
  return written(core, request, await runAlone(core, entry, request));
}

async function remove(core: Core, request: FhirRequest): Promise<Answer> {
  const [type = '', id] = request.segments;
  assertType(core, type);
  const url = id === undefined ? `${type}?${request.queryString}` : `${type}/${id}`;
  const entry: TransactionEntry = { method: 'DELETE', url };
  const ifMatch = header(request, 'if-match');
  if (ifMatch !== undefined) entry.ifMatch = ifMatch;
  const result = await runAlone(core, entry, request);
  const answer: Answer = { status: 204 };
  if (result.version > 0) Object.assign(answer, { version: result.version, updatedMs: result.updatedMs });
  if (request.prefer !== 'OperationOutcome') return answer;
  const text = result.op === 'delete' ? `${type}/${result.id} is deleted` : 'There was nothing to delete';
  return { ...answer, status: 200, body: outcomeText(text) };
}

async function searchGet(core: Core, request: FhirRequest): Promise<Answer> {
  const caller = { scope: request.scope, db: core.store.db };
  return { status: 200, body: await searchType(core, segment(request, 0), request.pairs, caller, request.strict) };
}

async function searchPost(core: Core, request: FhirRequest): Promise<Answer> {
  const caller = { scope: request.scope, db: core.store.db };
  const pairs = await readForm(request);
  return { status: 200, body: await searchType(core, segment(request, 0), pairs, caller, request.strict) };
}

const historyOf =
  (level: 'instance' | 'type' | 'system') =>
  async (core: Core, request: FhirRequest): Promise<Answer> => {
    const [type = '', id = ''] = request.segments;
    const target = level === 'system' ? {} : level === 'type' ? { type } : { type, id };
    return { status: 200, body: await history(core, target, request.pairs, request.scope, request.strict) };
  };

async function bundle(core: Core, request: FhirRequest): Promise<Answer> {
  const resource = await readResource(request);
  const body = await postBundle(core, resource, request.scope, request.prefer ?? 'minimal', request.onFault);
  return { status: 200, body };
}

export const routes: readonly Route[] = [
  { method: 'GET', path: ':type/:id', interaction: 'read', level: 'type', handle: read },
  { method: 'GET', path: ':type/:id/_history/:vid', interaction: 'vread', level: 'type', handle: vread },
  { method: 'PUT', path: ':type/:id', interaction: 'update', level: 'type', handle: update },
  { method: 'DELETE', path: ':type/:id', interaction: 'delete', level: 'type', handle: remove },
  {
    method: 'GET',
    path: ':type/:id/_history',
    interaction: 'history-instance',
    level: 'type',
    handle: historyOf('instance'),
  },
  { method: 'GET', path: ':type/_history', interaction: 'history-type', level: 'type', handle: historyOf('type') },
  { method: 'POST', path: ':type', interaction: 'create', level: 'type', handle: create },
  { method: 'GET', path: ':type', interaction: 'search-type', level: 'type', handle: searchGet },
  { method: 'POST', path: ':type/_search', interaction: 'search-type', level: 'type', handle: searchPost },
  { method: 'PUT', path: ':type', interaction: 'conditional-update', level: 'none', handle: update },
  { method: 'DELETE', path: ':type', interaction: 'conditional-delete', level: 'none', handle: remove },
  { method: 'POST', path: '', interaction: 'transaction', level: 'system', handle: bundle },
  { method: 'GET', path: '_history', interaction: 'history-system', level: 'system', handle: historyOf('system') },
  {
    method: 'GET',
    path: 'metadata',
    interaction: 'capabilities',
    level: 'none',
    handle: async (core) => ({ status: 200, body: capabilityStatement(core, routes) }),
  },
];
