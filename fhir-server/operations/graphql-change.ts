// Carries out mutations, one after the other, each an interaction of its own, as REST has them.
// https://hl7.org/fhir/R4/graphql.html#mutations, https://spec.graphql.org/October2021/#sec-Mutation
import {
  type AccessScope,
  type EntryResult,
  issuesOf,
  type JsonObject,
  parseJson,
  stringify,
  type TransactionEntry,
} from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import { runEntry } from '../interactions/batch.ts';
import type { Core } from '../interactions/core.ts';
import { assertConditions } from '../interactions/etag.ts';
import { versionError, withVersion } from '../interactions/version-required.ts';
import type { Change } from './graphql-change-plan.ts';
import { atPath } from './graphql-faults.ts';
import { createLoader, fillAll, type Loader } from './graphql-load.ts';
import { objectOf } from './graphql-output.ts';
import type { FieldPlan } from './graphql-plan.ts';
import { createRun, type Run, select } from './graphql-select.ts';
import { MUTATION } from './graphql-types.ts';

/** An entry's expressions are those of a Bundle; here the resource, or an argument, is at fault. */
const ownExpression = (path: string, type: string): string =>
  path === 'Bundle.entry[0].request.ifMatch'
    ? 'If-Match'
    : path.replace(/^Bundle\.entry\[0\]\.request.*$/, 'id').replace(/^Bundle\.entry\[0\](?:\.resource)?/, type);

function withoutEntry(error: unknown, type: string): unknown {
  if (!isCerebraError(error)) return error;
  for (const issue of error.issues) {
    if (issue.expression) issue.expression = issue.expression.map((path) => ownExpression(path, type));
  }
  return error;
}

async function carryOut(core: Core, scope: AccessScope, change: Change, ifMatch?: string): Promise<EntryResult> {
  const { method, type, id, resource } = change;
  const entry: TransactionEntry = {
    ...{ method, url: id === undefined ? type : `${type}/${id}` },
    ...(resource ? { resource } : {}),
    ...(ifMatch === undefined ? {} : { ifMatch }),
  };
  assertConditions(entry);
  const run = withVersion(core, entry, type, 'If-Match');
  try {
    const result = await runEntry(core, run, 0, scope);
    // As REST does: whoever has written a SearchParameter is answered when it is in force.
    if (type === 'SearchParameter') await core.store.registry.settled;
    return result;
  } catch (error) {
    throw versionError(entry, run, type, withoutEntry(error, type));
  }
}

/** What is written stays written, and whoever wrote it is told so. */
function afterWrite({ type, id, version }: EntryResult, error: unknown): CerebraError {
  const told = issuesOf(error)[0]!.diagnostics;
  const text = `${type}/${id} is stored as version ${version}, but what is asked of it can't be answered: ${told}`;
  return new CerebraError(isCerebraError(error) ? error.code : 'internal', text, { cause: error });
}

interface Changing {
  core: Core;
  scope: AccessScope;
  run: Run;
  /** What its reads may cost, all together. */
  spent: Loader['spent'] | undefined;
}

async function changedText(changing: Changing, plan: FieldPlan, ifMatch: string | undefined): Promise<string> {
  const { core, scope, run } = changing;
  const result = await carryOut(core, scope, plan.change!, ifMatch);
  // "[no return]"
  if (plan.change!.method === 'DELETE') return 'null';
  try {
    const value = parseJson(result.body).exact as JsonObject;
    // What an earlier one has read may be another version now.
    const loader = createLoader(core, scope, { ...run, open: [] });
    if (changing.spent) loader.spent = changing.spent;
    changing.spent = loader.spent;
    const entries = select(loader.run, plan.fields, { type: result.type, value, root: value });
    await fillAll(loader);
    return stringify(objectOf(entries));
  } catch (error) {
    throw afterWrite(result, error);
  }
}

/** If-Match is about one resource: with several, or with a new one, it can't be told which. */
function assertOneChange(fields: readonly FieldPlan[], ifMatch: string | undefined): void {
  const changes = fields.filter(({ what }) => what === 'change');
  if (ifMatch === undefined || (changes.length === 1 && changes[0]!.change!.method !== 'POST')) return;
  throw new CerebraError('invalid', 'If-Match is for a mutation with one update or delete alone', {
    expression: ['If-Match'],
  });
}

/**
 * Carries out all of them in their order; one that fails is null and leaves the others as they are, as GraphQL has it of
 * fields that may be null. Throws where nothing is carried out.
 */
export async function runChanges(
  core: Core,
  scope: AccessScope,
  fields: readonly FieldPlan[],
  ifMatch: string | undefined,
): Promise<{ data: string; faults: unknown[] }> {
  assertOneChange(fields, ifMatch);
  const changing: Changing = { core, scope, run: await createRun(fields), spent: undefined };
  const faults: unknown[] = [];
  const texts: string[] = [];
  for (const plan of fields) {
    const key = JSON.stringify(plan.key);
    try {
      const text = plan.what === 'typename' ? `"${MUTATION}"` : await changedText(changing, plan, ifMatch);
      texts.push(`${key}:${text}`);
    } catch (error) {
      faults.push(atPath(error, [plan.key], plan.node));
      texts.push(`${key}:null`);
    }
  }
  return { data: `{${texts.join(',')}}`, faults };
}
