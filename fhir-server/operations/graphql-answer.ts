// What $graphql answers; imported with the parser at the first query: https://hl7.org/fhir/R4/graphql.html
import { type JsonObject, type OperationAnswer, type OperationRequest, parseJson, stringify } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { readCurrent } from '../store/read.ts';
import { readDocument } from './graphql-document.ts';
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

/** The answer's text, or why there is none. */
async function answerText(core: Core, request: OperationRequest): Promise<string | readonly CerebraError[]> {
  const document = readDocument(readQuery(request));
  const { type, id } = request;
  const { fields, faults } = planQuery(
    core,
    document,
    id === undefined ? QUERY : type!,
    id === undefined ? type : undefined,
  );
  if (faults.length > 0) return faults;
  const run = await createRun(fields);
  const loader = createLoader(core, request.scope, run);
  const entries = select(run, fields, await subjectOf(core, request));
  await fillAll(loader);
  return stringify({ data: objectOf(entries) });
}

/** Errors of the query are an answer too. */
export async function answer(core: Core, { log }: OperationParts, request: OperationRequest): Promise<OperationAnswer> {
  let faults: readonly unknown[];
  try {
    const text = await answerText(core, request);
    if (typeof text === 'string') return { json: text };
    faults = text;
  } catch (error) {
    if (!isCerebraError(error) || error.status >= 500) log.error({ err: error }, 'query failed');
    faults = [error];
  }
  return { status: statusOf(faults), json: errorsText(faults) };
}
