// Which operation a call means, and whether it may be called so: https://hl7.org/fhir/R4/operations.html#executing
import {
  type AccessScope,
  isId,
  type Json,
  type OperationAnswer,
  type OperationInput,
  type OperationRequest,
  type OperationSpec,
  type Resource,
  stringify,
} from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { assertType } from '../interactions/search.ts';
import { assertValid } from '../store/store.ts';
import { inputsOf, readInput } from './input.ts';

/** Where in the URL an operation is called. */
export interface OperationTarget {
  /** Without the `$`. */
  name: string;
  type?: string;
  id?: string;
  version?: number;
}

export interface OperationCall {
  target: OperationTarget;
  method: 'GET' | 'POST';
  /** Of the query string, decoded. */
  pairs: readonly [string, string][];
  resource?: Resource;
  /** Instead of `resource`, for an operation that reads its body itself. */
  body?: NonNullable<OperationRequest['body']>;
  scope: AccessScope;
  strict: boolean;
  ifMatch?: string;
  acceptLanguage?: string;
}

/** About how the answer looks: https://hl7.org/fhir/R4/http.html#parameters */
const FORM = new Set(['_format', '_pretty']);

function isOffered(spec: OperationSpec, { type, id, version }: OperationTarget): boolean {
  if (type === undefined) return spec.system;
  if (spec.type !== true && !spec.type.includes(type)) return false;
  if (id === undefined) return spec.typeLevel;
  return spec.instanceLevel && (version === undefined || spec.versioned === true);
}

/** `[base]/$meta, [type]/[id]/$meta`: where it can be called. */
function placesOf(spec: OperationSpec): string {
  const types = spec.type === true ? ['[type]'] : spec.type;
  const places = spec.system ? [`[base]/$${spec.name}`] : [];
  if (spec.typeLevel) places.push(...types.map((type) => `${type}/$${spec.name}`));
  if (spec.instanceLevel) places.push(...types.map((type) => `${type}/[id]/$${spec.name}`));
  return places.join(', ');
}

/** Throws `not-found` when there is none of that name, or none there, telling what there is. */
export function findOperation(core: Core, target: OperationTarget): OperationSpec {
  const named = core.operations.filter((spec) => spec.name === target.name);
  const found = named.find((spec) => isOffered(spec, target));
  if (found) return found;
  if (named.length > 0) {
    const places = named.map(placesOf).join(', ');
    throw new CerebraError('not-found', `$${target.name} is not offered here: it is at ${places}`);
  }
  const others = core.operations.filter((spec) => isOffered(spec, target)).map((spec) => `$${spec.name}`);
  const offer = others.length > 0 ? `there are ${[...new Set(others)].sort().join(', ')}` : 'there are none here';
  throw new CerebraError('not-found', `There is no operation $${target.name.slice(0, 80)}: ${offer}`);
}

function assertMethod(spec: OperationSpec, method: 'GET' | 'POST'): void {
  if (method === 'POST') return;
  if (spec.affectsState) {
    throw new CerebraError('method-not-allowed', `$${spec.name} changes what is stored: call it with POST`);
  }
  const complex = inputsOf(spec).find(({ min, type, part }) => min > 0 && (part || /^[A-Z]/.test(type ?? '')));
  if (complex) {
    throw new CerebraError(
      'method-not-allowed',
      `$${spec.name} needs '${complex.name}', a ${complex.type}: call it with POST`,
    );
  }
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1: pages of any origin and whatever fetches ahead may send a GET. */
function assertSafe({ name, affectsStateWith }: OperationSpec, method: 'GET' | 'POST', input: OperationInput): void {
  if (method === 'POST' || affectsStateWith === undefined || !input.get(affectsStateWith)?.includes(true)) return;
  const text = `$${name} changes what is stored with ${affectsStateWith}=true: call it with POST`;
  throw new CerebraError('method-not-allowed', text, { expression: [affectsStateWith] });
}

function assertTarget(core: Core, { type, id }: OperationTarget): void {
  if (type !== undefined) assertType(core, type);
  if (id !== undefined && !isId(id)) throw new CerebraError('not-found', `${type}/${id.slice(0, 64)} is not known`);
}

/** The body without what the operation takes unchecked; places of what is left stay as they are. */
function checkedPart(spec: OperationSpec, resource: Resource): Resource {
  const names = inputsOf(spec).flatMap(({ name, unchecked }) => (unchecked ? [name] : []));
  if (names.length === 0 || resource.resourceType !== 'Parameters' || !Array.isArray(resource.parameter))
    return resource;
  const bare = (given: Json): Json => {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) return given;
    const isTaken = typeof given.name === 'string' && names.includes(given.name) && typeof given.resource === 'object';
    return isTaken ? { name: given.name, valueBoolean: true } : given;
  };
  return { ...resource, parameter: resource.parameter.map(bare) };
}

/** https://hl7.org/fhir/R4/graphql.html#operations: a query about the operation's result. */
const GRAPHQL = '_graphql';

/** The query, if there is one. What is carried out already can't be answered by an error in the query. */
function queryOf(spec: OperationSpec, input: OperationInput, given: readonly string[]): string | undefined {
  const [query, more] = given;
  if (query === undefined) return undefined;
  const wrong = (text: string) => new CerebraError('invalid-parameter', text, { expression: [GRAPHQL] });
  if (more !== undefined) throw wrong(`${GRAPHQL} may be given once`);
  const changes = spec.affectsStateWith !== undefined && input.get(spec.affectsStateWith)?.includes(true);
  if (spec.affectsState || changes) throw wrong(`$${spec.name} changes what is stored: call it without ${GRAPHQL}`);
  return query;
}

/** A failure stays what it is. */
async function answerTo(core: Core, query: string | undefined, scope: AccessScope, answer: OperationAnswer) {
  const { status = 200 } = answer;
  const result = 'resource' in answer ? stringify(answer.resource) : 'text' in answer ? answer.text : undefined;
  if (query === undefined || result === undefined || status !== 200) return answer;
  return (await import('./graphql-answer.ts')).answerAbout(core, scope, result, query);
}

/** Runs the operation that the call means. Throws CerebraError for a call that is wrong in any way. */
export async function invoke(core: Core, call: OperationCall): Promise<OperationAnswer> {
  const { target, method, scope, strict, body, ifMatch, acceptLanguage } = call;
  assertTarget(core, target);
  const spec = findOperation(core, target);
  assertMethod(spec, method);
  if (call.resource) assertValid(core.store, checkedPart(spec, call.resource));
  // $graphql has its query in a parameter of its own.
  const isQuery = ([name]: readonly [string, string]): boolean => name === GRAPHQL && spec.name !== 'graphql';
  const pairs = call.pairs.filter((pair) => !isQuery(pair));
  const { input, search } = readInput(core.definitions, spec, pairs, call.resource);
  assertSafe(spec, method, input);
  const query = queryOf(
    spec,
    input,
    call.pairs.filter(isQuery).map(([, text]) => text),
  );
  const { type, id, version } = target;
  const form = call.pairs.filter(([name]) => FORM.has(name));
  const answer = await spec.run({
    ...(call.body || call.resource ? { posted: true } : {}),
    ...(type === undefined ? {} : { type }),
    ...(id === undefined ? {} : { id }),
    ...(version === undefined ? {} : { version }),
    ...(body === undefined ? {} : { body }),
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(acceptLanguage === undefined ? {} : { acceptLanguage }),
    ...(form.length === 0 ? {} : { form }),
    input,
    search,
    scope,
    strict,
  });
  return answerTo(core, query, scope, answer);
}
