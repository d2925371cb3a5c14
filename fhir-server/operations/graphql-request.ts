// How a query comes: https://hl7.org/fhir/R4/graphql.html#invoking, https://graphql.org/learn/serving-over-http/
import {
  isObject,
  type Json,
  type JsonObject,
  type OperationInput,
  type OperationRequest,
  parseSentJson,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { sentName } from '../validation/primitives.ts';
import { one } from './answer.ts';
import type { QueryText } from './graphql-document.ts';

/** Bodies that are no FHIR resource. */
export const BODY_TYPES = ['application/graphql', 'application/json'];

const wrong = (name: string, text: string): CerebraError =>
  new CerebraError('invalid-parameter', text, { expression: [name] });

function variablesOf(json: Json | undefined): JsonObject {
  if (json === undefined || json === null) return {};
  if (!isObject(json)) throw wrong('variables', "'variables' must be a JSON object");
  return json;
}

const parseVariables = (text: string | undefined): JsonObject =>
  text === undefined || text.trim() === '' ? {} : variablesOf(parseSentJson(text).exact);

function queryText(query: unknown, variables: JsonObject, operationName: unknown): QueryText {
  if (query === undefined || query === '') {
    throw new CerebraError('required', '$graphql needs a query: in the URL, or as the body', { expression: ['query'] });
  }
  if (typeof query !== 'string') throw wrong('query', "'query' must be a string");
  if (operationName === undefined || operationName === null || operationName === '') return { query, variables };
  if (typeof operationName !== 'string') throw wrong('operationName', "'operationName' must be a string");
  return { query, variables, operationName };
}

/** A Parameters resource that came as application/json. */
function ofParameters(body: JsonObject): QueryText {
  const list = (Array.isArray(body.parameter) ? body.parameter : []).filter(isObject);
  const names = ['query', 'variables', 'operationName'];
  const unknown = list.find(({ name }) => typeof name !== 'string' || !names.includes(name));
  if (unknown) {
    const name = sentName(unknown.name);
    const text = `$graphql has no parameter '${name}': it has ${names.join(', ')}`;
    throw new CerebraError('unknown-parameter', text, { expression: [name] });
  }
  const value = (name: string) => list.find((given) => given.name === name)?.valueString;
  const variables = value('variables');
  return queryText(
    value('query'),
    parseVariables(typeof variables === 'string' ? variables : ''),
    value('operationName'),
  );
}

function ofBody({ type, text }: { type: string; text: string }, input: OperationInput): QueryText {
  const operationName = one<string>(input, 'operationName');
  if (type === 'application/graphql') {
    return queryText(text, parseVariables(one<string>(input, 'variables')), operationName);
  }
  const body = parseSentJson(text).exact;
  if (!isObject(body)) throw new CerebraError('structure', 'The body must be a JSON object with a query');
  if (body.resourceType === 'Parameters') return ofParameters(body);
  return queryText(body.query, variablesOf(body.variables), body.operationName ?? operationName);
}

/** What is asked, wherever it stands. Throws CerebraError for what is no query. */
export function readQuery({ body, input }: OperationRequest): QueryText {
  if (body) return ofBody(body, input);
  const variables = parseVariables(one<string>(input, 'variables'));
  return queryText(one<string>(input, 'query'), variables, one<string>(input, 'operationName'));
}
