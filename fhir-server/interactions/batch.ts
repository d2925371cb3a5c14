// https://hl7.org/fhir/R4/http.html#batch: each entry for itself, in the order DELETE, POST, PUT, GET.
import { type AccessScope, type EntryResult, type Issue, issuesOf, type TransactionEntry } from '#fhir-model';
import { isCerebraError } from '#platform';
import { storeCreate, storeDelete, storeUpdate } from '../store/store.ts';
import type { Core } from './core.ts';
import { planEntry } from './entries.ts';
import { readEntry, transaction } from './transaction.ts';

export type BatchResult = { kind: 'done'; result: EntryResult } | { kind: 'failed'; status: number; issues: Issue[] };

/** Entries of one method run side by side, this many at a time: the pool has other callers too. */
const PARALLEL_MAX = 8;

const ORDER: TransactionEntry['method'][][] = [['DELETE'], ['POST'], ['PUT'], ['GET', 'HEAD']];

/** One interaction on its own: the fast single-statement path where there is no condition. */
export async function runEntry(
  core: Core,
  entry: TransactionEntry,
  index: number,
  scope: AccessScope,
): Promise<EntryResult> {
  const plan = planEntry(core, entry, index);
  if (plan.method === 'GET' || plan.method === 'HEAD') return readEntry(core, plan, { scope, db: core.store.db });
  if (plan.criteria) {
    const results = await transaction(core, [entry], { scope });
    return results[0]!;
  }
  if (plan.method === 'POST') return storeCreate(core.store, entry.resource!, scope);
  if (plan.method === 'PUT') return storeUpdate(core.store, entry.resource!, plan.id!, plan.ifVersion, scope);
  return storeDelete(core.store, plan.type, plan.id!, plan.ifVersion, scope);
}

function failure(error: unknown, onFault: (error: unknown) => void): BatchResult {
  if (isCerebraError(error)) return { kind: 'failed', status: error.status, issues: issuesOf(error) };
  onFault(error);
  return { kind: 'failed', status: 500, issues: issuesOf(error) };
}

/** Results in entry order. `onFault` gets errors that are ours, for the log. */
export async function batch(
  core: Core,
  entries: TransactionEntry[],
  scope: AccessScope,
  onFault: (error: unknown) => void,
): Promise<BatchResult[]> {
  const results = new Array<BatchResult>(entries.length);
  for (const methods of ORDER) {
    const queue = entries
      .map((entry, index) => ({ entry, index }))
      .filter(({ entry }) => methods.includes(entry.method));
    const worker = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const { entry, index } = next;
        try {
          results[index] = { kind: 'done', result: await runEntry(core, entry, index, scope) };
        } catch (error) {
          results[index] = failure(error, onFault);
        }
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_MAX }, worker));
  }
  // A method that is none of these fails in planEntry, with its place.
  for (const [index, entry] of entries.entries()) {
    if (results[index]) continue;
    try {
      planEntry(core, entry, index);
    } catch (error) {
      results[index] = failure(error, onFault);
    }
  }
  return results;
}
