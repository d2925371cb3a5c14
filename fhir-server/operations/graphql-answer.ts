// What $graphql answers; imported with the parser at the first query: https://hl7.org/fhir/R4/graphql.html
import { type AccessScope, type JsonObject, type OperationAnswer, type OperationRequest, parseJson } from '#fhir-model';
import { CerebraError, isCerebraError, type Log } from '#platform';
import type { Core } from '../interactions/core.ts';
import { readCurrent } from '../store/read.ts';
import { runChanges } from './graphql-change.ts';
import { type QueryDocument, type QueryText, readDocument } from './graphql-document.ts';
import { errorsText, fault, statusOf } from './graphql-faults.ts';
import { createLoader, fillAll } from './graphql-load.ts';
import { dataText } from './graphql-output.ts';
import { type FieldPlan, planQuery } from './graphql-plan.ts';
import { readQuery } from './graphql-request.ts';
import { createRun, type Run, type Subject, select } from './graphql-select.ts';
import { QUERY } from './graphql-types.ts';
import type { OperationParts } from './parts.ts';

async function subjectOf(core: Core, { type, id, scope }: OperationRequest): Promise<Subject> {
  if (id === undefined) return { type: QUERY, value: {}, root: undefined };
  const found = await readCurrent(core.store.db, type!, id, scope);
  if (!found) throw new CerebraError('not-found', `${type}/${id} is not known`);
  if (found.deleted) throw new CerebraError('deleted', `${type}/${id} was deleted as version ${found.version}`);
  const value = parseJson(found.body).exact as JsonObject;
  return { type: type!, value, root: value };
}

/** What a query is about. */
interface Root {
  type: string;
  /** At type level: the one type that it may search. */
  only?: string | undefined;
  /** Where it may change something: whether it came as it must for that. */
  changes?: Pick<OperationRequest, 'posted' | 'ifMatch'>;
  subject(): Subject | Promise<Subject>;
}

/** What is asked about the schema, which only a root has. */
async function fillSchemas(core: Core, run: Run, { type, only }: Root): Promise<void> {
  const opens = run.open.filter(({ entry }) => entry.plan.what === 'schema');
  if (opens.length === 0) return;
  run.open = run.open.filter((open) => !opens.includes(open));
  const { createIntrospection } = await import('./graphql-introspect.ts');
  const introspect = createIntrospection(core, type, only);
  for (const { entry } of opens) entry.items = [{ suffix: '', text: await introspect(entry.plan) }];
}

/** Throws where nothing may be changed. https://hl7.org/fhir/R4/graphql.html#invoking */
function assertChanges({ changes }: Root, { operation }: QueryDocument): void {
  if (!changes) {
    throw fault(
      'unsupported',
      'A mutation is for [base]/$graphql or [base]/[type]/$graphql: here are queries',
      operation,
    );
  }
  if (changes.posted) return;
  const text = 'A mutation changes what is stored: send it in the body of a POST';
  throw new CerebraError('method-not-allowed', text, { expression: ['query'] });
}

/** Why there is no answer. */
interface Refusal {
  faults: readonly CerebraError[];
}

async function changed(core: Core, scope: AccessScope, fields: readonly FieldPlan[], root: Root, log: Log) {
  const { data, faults } = await runChanges(core, scope, fields, root.changes?.ifMatch);
  if (faults.length === 0) return { json: `{"data":${data}}` };
  for (const err of faults) if (statusOf([err]) >= 500) log.error({ err }, 'mutation failed');
  return { status: statusOf(faults), json: errorsText(faults, data) };
}

async function answerText(
  core: Core,
  scope: AccessScope,
  query: QueryText,
  root: Root,
  log?: Log,
): Promise<OperationAnswer | Refusal> {
  const document = readDocument(query);
  const isMutation = document.operation.operation === 'mutation';
  if (isMutation) assertChanges(root, document);
  const { fields, faults } = planQuery(core, document, root.type, root.only);
  if (faults.length > 0) return { faults };
  if (isMutation) return changed(core, scope, fields, root, log!);
  const run = await createRun(fields);
  const loader = createLoader(core, scope, run);
  const entries = select(run, fields, await root.subject());
  await fillSchemas(core, run, root);
  await fillAll(loader);
  return { json: `{"data":${dataText(entries)}}` };
}

function ofRequest(core: Core, log: Log, request: OperationRequest): Promise<OperationAnswer | Refusal> {
  const { type, id, scope } = request;
  const subject = () => subjectOf(core, request);
  const root: Root =
    id === undefined ? { type: QUERY, only: type, subject, changes: request } : { type: type!, subject };
  return answerText(core, scope, readQuery(request), root, log);
}

/**
 * What a query asks of the result of another operation: https://hl7.org/fhir/R4/graphql.html#operations. Throws what is
 * no fault of the query.
 */
export async function answerAbout(
  core: Core,
  scope: AccessScope,
  result: string,
  query: string,
): Promise<OperationAnswer> {
  const value = parseJson(result).exact as JsonObject;
  const type = String(value.resourceType);
  let faults: readonly unknown[];
  try {
    const root: Root = { type, subject: () => ({ type, value, root: value }) };
    const found = await answerText(core, scope, { query, variables: {} }, root);
    if (!('faults' in found)) return found;
    ({ faults } = found);
  } catch (error) {
    if (!isCerebraError(error) || error.status >= 500) throw error;
    faults = [error];
  }
  return { status: statusOf(faults), json: errorsText(faults) };
}

/** Errors of the query are an answer too. */
export async function answer(core: Core, { log }: OperationParts, request: OperationRequest): Promise<OperationAnswer> {
  let faults: readonly unknown[];
  try {
    const found = await ofRequest(core, log, request);
    if (!('faults' in found)) return found;
    ({ faults } = found);
  } catch (error) {
    if (!isCerebraError(error) || error.status >= 500) log.error({ err: error }, 'query failed');
    faults = [error];
  }
  return { status: statusOf(faults), json: errorsText(faults) };
}
