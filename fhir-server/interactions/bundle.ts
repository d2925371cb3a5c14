// A posted batch or transaction Bundle and its response: https://hl7.org/fhir/R4/bundle.html#bundle-unions
import {
  type AccessScope,
  type EntryResult,
  type JsonObject,
  operationOutcome,
  type Resource,
  stringify,
  type TransactionEntry,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { type BatchResult, batch } from './batch.ts';
import type { Core } from './core.ts';
import { at } from './entries.ts';
import { etag } from './etag.ts';
import { transaction } from './transaction.ts';

const statusTexts: Record<number, string> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  304: 'Not Modified',
};

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function entryOf(value: unknown, index: number): TransactionEntry {
  if (!isObject(value)) throw new CerebraError('structure', 'An entry must be an object', { expression: [at(index)] });
  const { request, resource } = value;
  if (!isObject(request) || !text(request.method) || !text(request.url)) {
    throw new CerebraError('required', 'An entry of a batch or transaction needs request.method and request.url', {
      expression: [at(index, '.request')],
    });
  }
  const entry: TransactionEntry = {
    method: text(request.method) as TransactionEntry['method'],
    url: text(request.url)!,
  };
  if (isObject(resource)) entry.resource = resource as Resource;
  const optional = {
    fullUrl: text(value.fullUrl),
    ifNoneExist: text(request.ifNoneExist),
    ifMatch: text(request.ifMatch),
    ifNoneMatch: text(request.ifNoneMatch),
    ifModifiedSince: text(request.ifModifiedSince),
  };
  for (const [key, given] of Object.entries(optional)) if (given !== undefined) Object.assign(entry, { [key]: given });
  return entry;
}

function entriesOf(core: Core, bundle: Resource): TransactionEntry[] {
  const list = bundle.entry ?? [];
  if (!Array.isArray(list))
    throw new CerebraError('structure', 'Bundle.entry must be an array', { expression: ['Bundle.entry'] });
  const max = core.limits.bundleEntriesMax;
  if (list.length > max) {
    throw new CerebraError('too-large', `The Bundle has ${list.length} entries, ${max} are allowed: split it`, {
      expression: ['Bundle.entry'],
    });
  }
  return list.map(entryOf);
}

/** Whether the resources written come back in the response: https://hl7.org/fhir/R4/http.html#ops */
export type Return = 'minimal' | 'representation' | 'OperationOutcome';

function responseEntry(core: Core, result: EntryResult, prefer: Return): string {
  const { type, id, version, status } = result;
  const statusText = JSON.stringify(`${status} ${statusTexts[status] ?? ''}`.trim());
  if (version === 0) {
    const resource = result.body === '' ? '' : `"resource":${result.body},`;
    return `{${resource}"response":{"status":${statusText}}}`;
  }
  const shown = result.op === 'none' ? status === 200 && prefer !== 'OperationOutcome' : prefer === 'representation';
  const resource =
    shown && result.body !== '' ? `"fullUrl":"${core.baseUrl}/${type}/${id}","resource":${result.body},` : '';
  const outcome =
    prefer === 'OperationOutcome' && result.op !== 'none' ? `,"outcome":${stringify(operationOutcome([]))}` : '';
  const location = status === 204 ? '' : `"location":"${type}/${id}/_history/${version}",`;
  const modified = new Date(result.updatedMs).toISOString();
  return `{${resource}"response":{"status":${statusText},${location}"etag":${JSON.stringify(etag(version))},"lastModified":"${modified}"${outcome}}}`;
}

function batchEntry(core: Core, result: BatchResult, prefer: Return): string {
  if (result.kind === 'done') return responseEntry(core, result.result, prefer);
  const outcome = stringify(operationOutcome(result.issues));
  return `{"response":{"status":"${result.status}","outcome":${outcome}}}`;
}

function bundleText(type: string, entries: string[]): string {
  const entry = entries.length > 0 ? `,"entry":[${entries.join(',')}]` : '';
  return `{"resourceType":"Bundle","type":"${type}"${entry}}`;
}

/** Runs a Bundle posted to the base and yields the response Bundle's JSON text. */
export async function postBundle(
  core: Core,
  bundle: Resource,
  scope: AccessScope,
  prefer: Return,
  onFault: (error: unknown) => void,
): Promise<string> {
  if (bundle.resourceType !== 'Bundle') {
    throw new CerebraError('structure', 'Only a Bundle can be posted to the base; post a resource to its type', {
      expression: ['Bundle'],
    });
  }
  const { type } = bundle;
  if (type !== 'transaction' && type !== 'batch') {
    throw new CerebraError('invalid', "Bundle.type must be 'transaction' or 'batch'", { expression: ['Bundle.type'] });
  }
  const entries = entriesOf(core, bundle);
  if (type === 'transaction') {
    const results = await transaction(core, entries, { scope });
    return bundleText(
      'transaction-response',
      results.map((result) => responseEntry(core, result, prefer)),
    );
  }
  const results = await batch(core, entries, scope, onFault);
  return bundleText(
    'batch-response',
    results.map((result) => batchEntry(core, result, prefer)),
  );
}
