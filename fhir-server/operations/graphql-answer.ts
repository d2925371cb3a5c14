// What $graphql answers; imported with the parser at the first query: https://hl7.org/fhir/R4/graphql.html
import {
  type AccessScope,
  type JsonObject,
  type OperationAnswer,
  type OperationRequest,
  parseJson,
  stringify,
} from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { readCurrent } from '../store/read.ts';
import { type QueryText, readDocument } from './graphql-document.ts';
import { errorsText, statusOf } from './graphql-faults.ts';
import { createLoader, fillAll } from './graphql-load.ts';
import { objectOf } from './graphql-output.ts';
import { planQuery } from './graphql-plan.ts';
import { readQuery } from './graphql-request.ts';
import { createRun, type Subject, select } from './graphql-select.ts';
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
  subject(): Subject | Promise<Subject>;
}

/** The answer's text, or why there is none. */
async function answerText(
  core: Core,
  scope: AccessScope,
  query: QueryText,
  root: Root,
): Promise<string | readonly CerebraError[]> {
  const { fields, faults } = planQuery(core, readDocument(query), root.type, root.only);
  if (faults.length > 0) return faults;
  const run = await createRun(fields);
  const loader = createLoader(core, scope, run);
  const entries = select(run, fields, await root.subject());
  await fillAll(loader);
  return stringify({ data: objectOf(entries) });
}

function ofRequest(core: Core, request: OperationRequest): Promise<string | readonly CerebraError[]> {
  const { type, id, scope } = request;
  const subject = () => subjectOf(core, request);
  const root = id === undefined ? { type: QUERY, only: type, subject } : { type: type!, subject };
  return answerText(core, scope, readQuery(request), root);
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
    const text = await answerText(
      core,
      scope,
      { query, variables: {} },
      { type, subject: () => ({ type, value, root: value }) },
    );
    if (typeof text === 'string') return { json: text };
    faults = text;
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
    const text = await ofRequest(core, request);
    if (typeof text === 'string') return { json: text };
    faults = text;
  } catch (error) {
    if (!isCerebraError(error) || error.status >= 500) log.error({ err: error }, 'query failed');
    faults = [error];
  }
  return { status: statusOf(faults), json: errorsText(faults) };
}
