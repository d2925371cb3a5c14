// A posted batch or transaction Bundle and its response: https://hl7.org/fhir/R4/http.html#trules, #transaction-response
import {
  type AccessScope,
  type EntryResult,
  type Issue,
  operationOutcome,
  type Resource,
  stringify,
  type TransactionEntry,
} from '#fhir-model';
import { CerebraError, type Db, isCerebraError, type Queryable } from '#platform';
import { readCurrent } from '../store/read.ts';
import { type BatchResult, batch } from './batch.ts';
import { entriesOf } from './bundle-request.ts';
import type { Core } from './core.ts';
import { at, isRead, operationIn, placed, relativeUrl } from './entries.ts';
import { etag } from './etag.ts';
import { ANSWER_CHARACTERS_MAX, type EntryReader } from './read-entry.ts';
import { planEntries, runPlans } from './transaction.ts';
import { ifMatchRequired, withVersion } from './version-required.ts';

/** https://hl7.org/fhir/R4/http.html#summary */
const statusTexts: Record<number, string> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  413: 'Payload Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Entity',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
};

const statusText = (status: number): string => JSON.stringify(`${status} ${statusTexts[status] ?? ''}`.trim());

/** Whether the resources written come back in the response: https://hl7.org/fhir/R4/http.html#ops */
export type Return = 'minimal' | 'representation' | 'OperationOutcome';

/** What a request that came alone would be answered. */
export interface EntryAnswer {
  status: number;
  body?: string | Buffer;
  /** With `updatedMs` what ETag and Last-Modified tell. */
  version?: number;
  updatedMs?: number;
  location?: string;
  /** Of a body that is no resource. */
  contentType?: string;
}

/** Runs a read or an operation of a Bundle as a request of its own. */
export type AnswerEntry = (core: Core, entry: TransactionEntry) => Promise<EntryAnswer>;

export interface BundleRequest {
  scope: AccessScope;
  prefer: Return;
  answer: AnswerEntry;
  /** Gets errors that are ours, for the log. */
  onFault(error: unknown): void;
}

const DONE: Record<EntryResult['op'], string> = {
  create: 'is created',
  update: 'is updated',
  delete: 'is deleted',
  none: 'is unchanged',
};

const noteOf = ({ type, id, version, op, deletions }: EntryResult): Issue => {
  const known = `${type}/${id} ${DONE[op]}, its version is ${version}`;
  const what = version > 0 ? known : deletions ? `${deletions} resources are deleted` : 'There was nothing to delete';
  return { severity: 'information', code: 'informational', diagnostics: what };
};

/**
 * Of entries that write only what is shown, up to as much as reads may be answered: a create that finds what is there, or a
 * patch, is a line that stands for megabytes, and there may be 10,000. What is left out has its location.
 */
function showing(prefer: Return): (result: EntryResult) => EntryResult {
  let characters = 0;
  return (result) => {
    const { length } = result.body;
    const isWanted = result.op === 'none' ? prefer !== 'OperationOutcome' : prefer === 'representation';
    if (!isWanted || characters + length > ANSWER_CHARACTERS_MAX) return { ...result, body: '' };
    characters += length;
    return result;
  };
}

/** Of an entry that writes: which version it made. */
function writtenEntry(core: Core, result: EntryResult, prefer: Return): string {
  const { type, id, version, status, body, updatedMs } = result;
  const resource = body !== '' ? `"fullUrl":"${core.baseUrl}/${type}/${id}","resource":${body},` : '';
  const note = prefer === 'OperationOutcome' ? `,"outcome":${stringify(operationOutcome([noteOf(result)]))}` : '';
  if (version === 0) return `{"response":{"status":${statusText(status)}${note}}}`;
  const location = status === 204 ? '' : `"location":"${type}/${id}/_history/${version}",`;
  const modified = new Date(updatedMs).toISOString();
  return `{${resource}"response":{"status":${statusText(status)},${location}"etag":${JSON.stringify(etag(version))},"lastModified":"${modified}"${note}}}`;
}

/** Of a read, search or operation: what it was answered. */
function readEntryText(core: Core, { result, location }: Read): string {
  const { type, id, version, status, body, updatedMs } = result;
  const name = id === '' || body === '' ? '' : `"fullUrl":"${core.baseUrl}/${type}/${id}",`;
  const resource = body === '' ? '' : `"resource":${body},`;
  const place = location === undefined ? '' : `,"location":${JSON.stringify(location)}`;
  const tag = version === 0 ? '' : `,"etag":${JSON.stringify(etag(version))}`;
  const modified = version === 0 ? '' : `,"lastModified":"${new Date(updatedMs).toISOString()}"`;
  return `{${name}${resource}"response":{"status":${statusText(status)}${place}${tag}${modified}}}`;
}

interface Read {
  result: EntryResult;
  location: string | undefined;
}

/** What is no resource becomes one: https://hl7.org/fhir/R4/binary.html */
function resourceText({ body, contentType }: EntryAnswer): string {
  if (body === undefined) return '';
  if (typeof body === 'string' && (contentType === undefined || contentType.startsWith('application/fhir+json'))) {
    return body;
  }
  const type = JSON.stringify(contentType ?? 'application/octet-stream');
  return `{"resourceType":"Binary","contentType":${type},"data":"${Buffer.from(body).toString('base64')}"}`;
}

const named = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[^/?]+)?(?:\?|$)/;

/** Runs a read or an operation; `reads` keeps what only the response needs. */
async function answerEntry(
  core: Core,
  request: BundleRequest,
  entry: TransactionEntry,
  index: number,
  reads: Map<number, Read>,
): Promise<EntryResult> {
  const url = relativeUrl(core, index, entry.url);
  const answer = await request.answer(core, { ...entry, url });
  const [, type = '', id = ''] = (isRead(entry) && named.exec(url)) || [];
  const { status, version = 0, updatedMs = 0, location } = answer;
  const body = entry.method === 'HEAD' ? '' : resourceText(answer);
  const result: EntryResult = { status, type, id, version, updatedMs, body, op: 'none' };
  reads.set(index, { result, location });
  return result;
}

/** The same server with its store seen through one transaction, so that a read sees what that has written. */
function inside(core: Core, db: Queryable): Core {
  const copy = () => Promise.reject(new CerebraError('internal', 'A read copies nothing'));
  const queue = () => {
    throw new CerebraError('internal', 'A read writes nothing');
  };
  const seen: Db = {
    ...core.store.db,
    query: (statement, values) => db.query(statement, values),
    queryCount: (statement, values) => db.queryCount(statement, values),
    tx: (work) => work({ ...db, copy, queue }),
    until: () => db,
    inLine: db,
  };
  const read: Core['store']['read'] = ({ type, id, scope }) => readCurrent(db, type, id, scope);
  return { ...core, store: { ...core.store, db: seen, read }, firstPages: () => undefined };
}

/** Where the type requires it, an update without ifMatch may only create: version-required.ts. */
function withVersionOf(core: Core, entry: TransactionEntry, index: number): TransactionEntry {
  const [type = ''] = relativeUrl(core, index, entry.url).split(/[/?]/);
  return withVersion(core, entry, type, at(index, '.request.ifMatch'));
}

/** Of an update that withVersionOf made one that only creates: what is missing is ifMatch. */
function told(given: TransactionEntry, run: TransactionEntry, error: unknown, index: number): unknown {
  const element = at(index, '.request.ifNoneMatch');
  if (given === run || !isCerebraError(error) || error.issues[0]?.expression?.[0] !== element) return error;
  return ifMatchRequired(String(given.resource?.resourceType), at(index, '.request.ifMatch'));
}

function assertNoOperation({ method, url }: TransactionEntry, index: number): void {
  const operation = operationIn(url);
  if (operation === undefined) return;
  const text = `${method} ${operation.slice(0, 80)} can't be part of a transaction: call it in a batch or by itself`;
  throw new CerebraError('unsupported', text, { expression: [at(index, '.request.url')] });
}

async function runTransaction(core: Core, request: BundleRequest, given: TransactionEntry[]): Promise<string[]> {
  const reads = new Map<number, Read>();
  const entries = given.map((entry, index) => {
    assertNoOperation(entry, index);
    return withVersionOf(core, entry, index);
  });
  const plans = await planEntries(core, entries);
  const read: EntryReader = async (_core, { entry, index }, { db }) => {
    try {
      return await answerEntry(inside(core, db), request, entry, index, reads);
    } catch (error) {
      throw placed(error, index, '.request.url');
    }
  };
  try {
    const results = await runPlans(core, plans, { scope: request.scope }, read);
    const shown = showing(request.prefer);
    return results.map((result, index) => {
      const read = reads.get(index);
      return entryText(core, read ? result : shown(result), read, request.prefer);
    });
  } catch (error) {
    throw entries.reduce((kept: unknown, entry, index) => told(given[index]!, entry, kept, index), error);
  }
}

const entryText = (core: Core, result: EntryResult, read: Read | undefined, prefer: Return): string =>
  read ? readEntryText(core, read) : writtenEntry(core, result, prefer);

type Failed = BatchResult & { kind: 'failed' };

const failedEntry = ({ status, issues }: Failed): string =>
  `{"response":{"status":${statusText(status)},"outcome":${stringify(operationOutcome(issues))}}}`;

/** The entry as it is run; one that can't be is its error. */
function runnable(core: Core, entry: TransactionEntry | CerebraError, index: number): TransactionEntry | CerebraError {
  if (isCerebraError(entry)) return entry;
  try {
    return withVersionOf(core, entry, index);
  } catch (error) {
    if (isCerebraError(error)) return error;
    throw error;
  }
}

function toldOf(given: TransactionEntry, run: TransactionEntry, failed: Failed, index: number): Failed {
  const before = new CerebraError('precondition-failed', '', { issues: failed.issues });
  const error = told(given, run, before, index);
  return error === before || !isCerebraError(error)
    ? failed
    : { ...failed, status: error.status, issues: error.issues };
}

async function runBatch(
  core: Core,
  request: BundleRequest,
  given: (TransactionEntry | CerebraError)[],
): Promise<string[]> {
  const reads = new Map<number, Read>();
  const { scope, onFault } = request;
  const shown = showing(request.prefer);
  const answer = (entry: TransactionEntry, index: number) => answerEntry(core, request, entry, index, reads);
  const entries = given.map((entry, index) => runnable(core, entry, index));
  const results = await batch({ core, scope, onFault, answer, shown }, entries);
  return results.map((result, index) => {
    if (result.kind === 'done') return entryText(core, result.result, reads.get(index), request.prefer);
    const [before, run] = [given[index]!, entries[index]!];
    return failedEntry(isEntry(before) && isEntry(run) ? toldOf(before, run, result, index) : result);
  });
}

function bundleText(type: string, entries: string[]): string {
  const entry = entries.length > 0 ? `,"entry":[${entries.join(',')}]` : '';
  return `{"resourceType":"Bundle","type":"${type}"${entry}}`;
}

const isEntry = (entry: TransactionEntry | CerebraError): entry is TransactionEntry => !isCerebraError(entry);

/** Runs a Bundle posted to the base and yields the response Bundle's JSON text. */
export async function postBundle(core: Core, bundle: Resource, request: BundleRequest): Promise<string> {
  if (bundle.resourceType !== 'Bundle') {
    throw new CerebraError('structure', 'Only a Bundle can be posted to the base; post a resource to its type', {
      expression: ['Bundle'],
    });
  }
  const { type } = bundle;
  if (type !== 'transaction' && type !== 'batch') {
    const text =
      "Bundle.type must be 'transaction' or 'batch' here; post a Bundle of another type to /Bundle to store it";
    throw new CerebraError('invalid', text, { expression: ['Bundle.type'] });
  }
  const entries = entriesOf(core, bundle);
  if (type === 'batch') return bundleText('batch-response', await runBatch(core, request, entries));
  if (!entries.every(isEntry)) throw entries.find((entry) => !isEntry(entry));
  return bundleText('transaction-response', await runTransaction(core, request, entries));
}
