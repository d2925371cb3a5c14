// $graphql: https://hl7.org/fhir/R4/graphql.html, https://hl7.org/fhir/R4/resource-operation-graphql.html
import {
  type JsonObject,
  type OperationAnswer,
  type OperationParameter,
  type OperationRequest,
  type OperationSpec,
  parseJson,
  stringify,
} from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { readCurrent } from '../store/read.ts';
import { readDocument } from './graphql-document.ts';
import { errorsText, statusOf } from './graphql-faults.ts';
import { createLoader, fillAll } from './graphql-load.ts';
import { objectOf } from './graphql-output.ts';
import { planQuery } from './graphql-plan.ts';
import { BODY_TYPES, readQuery } from './graphql-request.ts';
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

async function answer(core: Core, { log }: OperationParts, request: OperationRequest): Promise<OperationAnswer> {
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

const text = (name: string, documentation: string): OperationParameter => ({
  ...{ name, use: 'in', min: 0, max: '1', type: 'string', documentation },
});

export const graphqlOperation = (core: Core, parts: OperationParts): OperationSpec => ({
  name: 'graphql',
  title: 'Execute a graphql statement',
  description:
    'Answers a GraphQL query on a resource, on resources of a type, or on all: application/json, or application/graphql, may be posted as well',
  url: 'http://hl7.org/fhir/OperationDefinition/Resource-graphql',
  type: true,
  system: true,
  typeLevel: true,
  instanceLevel: true,
  affectsState: false,
  bodyTypes: BODY_TYPES,
  parameters: [
    text('query', 'The query; needed unless the body has it'),
    text('variables', 'Values of its variables, a JSON object'),
    text('operationName', 'Which of its operations is meant, where there are several'),
    {
      ...{ name: 'result', use: 'out', min: 1, max: '1', type: 'Binary' },
      documentation: 'application/json with data, or with errors, each with an OperationOutcome in extensions.resource',
    },
  ],
  run: (request) => answer(core, parts, request),
});
