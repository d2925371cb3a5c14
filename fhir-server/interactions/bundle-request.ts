// The entries of a posted batch or transaction: https://hl7.org/fhir/R4/bundle.html#Bundle
import { type Issue, isObject, type Resource, restfulUrl, type TransactionEntry } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from './core.ts';
import { at, isRead, relativeUrl } from './entries.ts';

/** What is wrong with the Bundle around its resources; those are checked by themselves. */
function faults(core: Core, bundle: Resource): Issue[] {
  return core.store.validator.validate(bundle).filter(({ severity }) => severity !== 'warning');
}

/** Bundle's own elements, with one entry at most: `Bundle.entry[0]` in expressions is that one. */
function assertSound(core: Core, shell: Resource, index: number): void {
  const found = faults(core, shell);
  if (found.length === 0) return;
  const issues = found.map((issue) => ({
    ...issue,
    diagnostics: issue.diagnostics.replaceAll('Bundle.entry[0]', at(index)),
    expression: (issue.expression ?? ['Bundle']).map((path) => path.replace('Bundle.entry[0]', at(index))),
  }));
  throw new CerebraError('structure', issues[0]!.diagnostics, { issues });
}

const POSTED_SEARCH = /^([^?]*?)\/?_search(\?.*)?$/s;

/**
 * A search by POST without a form is one by GET: https://hl7.org/fhir/R4/http.html#search. That of a whole compartment,
 * `Patient/1/_search`, is `Patient/1/*`: without the star it would be a read.
 */
function asGet(core: Core, entry: TransactionEntry, index: number): TransactionEntry {
  if (entry.method !== 'POST' || entry.resource || !POSTED_SEARCH.test(entry.url)) return entry;
  const [, path = '', query = ''] = POSTED_SEARCH.exec(relativeUrl(core, index, entry.url)) ?? [];
  const isOfCompartment = path.split('/').length === 2;
  return { ...entry, method: 'GET', url: `${path}${isOfCompartment ? '/*' : ''}${query}` };
}

/**
 * "The fullUrl SHALL NOT disagree with the id in the resource": https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.fullUrl.
 * What other entries say of the one patient of this server would become a reference to the other.
 */
function assertOwnName(core: Core, { method, url, fullUrl }: TransactionEntry, index: number): void {
  if (fullUrl === undefined || !fullUrl.startsWith(core.baseUrl) || isRead({ method })) return;
  const named = restfulUrl(fullUrl);
  const path = relativeUrl(core, index, url).replace(/\/$/, '');
  if (named?.server !== core.baseUrl || !/^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.test(path)) return;
  const name = `${named.type}/${named.id}`;
  if (name === path) return;
  const text = `The fullUrl names ${name} of this server, the request is about ${path}: they must be the same, or the fullUrl a urn:uuid`;
  throw new CerebraError('invalid', text, { expression: [at(index, '.fullUrl')] });
}

const REQUEST_TEXTS = ['ifNoneExist', 'ifMatch', 'ifNoneMatch', 'ifModifiedSince'] as const;

function readEntry(core: Core, type: string, value: unknown, index: number): TransactionEntry {
  if (!isObject(value)) throw new CerebraError('structure', 'An entry must be an object', { expression: [at(index)] });
  const { request, resource, ...around } = value;
  if (!isObject(request) || request.method === undefined || request.url === undefined) {
    throw new CerebraError('required', 'An entry of a batch or transaction needs request.method and request.url', {
      expression: [at(index, '.request')],
    });
  }
  if (resource !== undefined && !isObject(resource)) {
    throw new CerebraError('structure', 'A resource must be an object', { expression: [at(index, '.resource')] });
  }
  assertSound(core, { resourceType: 'Bundle', type, entry: [{ ...around, request }] }, index);
  const entry: TransactionEntry = {
    method: request.method as TransactionEntry['method'],
    url: request.url as string,
  };
  if (resource !== undefined) entry.resource = resource as Resource;
  if (around.fullUrl !== undefined) entry.fullUrl = around.fullUrl as string;
  for (const name of REQUEST_TEXTS) if (request[name] !== undefined) entry[name] = request[name] as string;
  if (type === 'transaction') assertOwnName(core, entry, index);
  return asGet(core, entry, index);
}

/**
 * The entries in order; one that is wrong is its error. Throws for a Bundle that is wrong as a whole, `too-large` for one
 * with more entries than `limits.bundleEntriesMax`.
 */
export function entriesOf(core: Core, bundle: Resource): (TransactionEntry | CerebraError)[] {
  const { entry: list = [], ...around } = bundle;
  if (!Array.isArray(list)) {
    throw new CerebraError('structure', 'Bundle.entry must be an array', { expression: ['Bundle.entry'] });
  }
  const max = core.limits.bundleEntriesMax;
  if (list.length > max) {
    const text = `The Bundle has ${list.length} entries, BUNDLE_ENTRIES_MAX allows ${max}: send several smaller ones`;
    throw new CerebraError('too-large', text, { expression: ['Bundle.entry'] });
  }
  assertSound(core, around as Resource, 0);
  return list.map((value, index) => {
    try {
      return readEntry(core, around.type as string, value, index);
    } catch (error) {
      if (error instanceof CerebraError) return error;
      throw error;
    }
  });
}
