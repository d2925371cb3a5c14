// The entries of a posted batch or transaction: https://hl7.org/fhir/R4/bundle.html#Bundle
import { type Issue, isObject, type Resource, type TransactionEntry } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from './core.ts';
import { at } from './entries.ts';

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

/** A search by POST without a form is one by GET: https://hl7.org/fhir/R4/http.html#search */
function asGet(entry: TransactionEntry): TransactionEntry {
  const posted = /^([^?]*?)\/?_search(\?.*)?$/s.exec(entry.url);
  if (entry.method !== 'POST' || entry.resource || !posted) return entry;
  return { ...entry, method: 'GET', url: `${posted[1]}${posted[2] ?? ''}` };
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
  return asGet(entry);
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
