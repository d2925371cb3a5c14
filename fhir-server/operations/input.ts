// What an operation is given, checked against its parameters: https://hl7.org/fhir/R4/operations.html#request
import {
  choiceName,
  type Definitions,
  decimalText,
  isNumber,
  isObject,
  type Json,
  type JsonObject,
  type OperationInput,
  type OperationParameter,
  type OperationSpec,
  type OperationValue,
  type RawJson,
  type Resource,
  splitUnescaped,
  unescapeValue,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { type PrimitiveRule, primitiveRules, sentName } from '../validation/primitives.ts';

const rulesOf = new WeakMap<Definitions, ReadonlyMap<string, PrimitiveRule>>();

function ruleOf(definitions: Definitions, type: string | undefined): PrimitiveRule | undefined {
  const rules = rulesOf.get(definitions) ?? primitiveRules(definitions);
  rulesOf.set(definitions, rules);
  return type === undefined ? undefined : rules.get(type);
}

/** Parameters of every request: about the answer, not about the operation. https://hl7.org/fhir/R4/http.html#parameters */
const GENERAL = new Set(['_format', '_pretty', '_summary', '_elements']);

const shown = (text: string): string => text.slice(0, 80);

type Collected = Map<string, OperationValue[]>;

function collect(into: Collected, name: string, value: OperationValue): void {
  const list = into.get(name);
  if (list) list.push(value);
  else into.set(name, [value]);
}

const bad = (code: 'invalid-parameter' | 'structure', text: string, expression: string): CerebraError =>
  new CerebraError(code, text, { expression: [expression] });

/** The parameters that may be given, for messages. */
export const inputsOf = (spec: OperationSpec): OperationParameter[] =>
  spec.parameters.filter((parameter) => parameter.use === 'in');

function unknown(spec: OperationSpec, name: string, known: readonly OperationParameter[]): CerebraError {
  const names = known.map((parameter) => parameter.name);
  const offer = names.length > 0 ? `it has ${names.join(', ')}` : 'it has none';
  return new CerebraError('unknown-parameter', `$${spec.name} has no parameter '${shown(name)}': ${offer}`, {
    expression: [shown(name)],
  });
}

function fromText(rule: PrimitiveRule, name: string, text: string): OperationValue {
  const wrong = () => bad('invalid-parameter', `'${shown(text)}' is no ${rule.name}: must be ${rule.expected}`, name);
  if (rule.json === 'boolean') {
    if (text !== 'true' && text !== 'false') throw wrong();
    return text === 'true';
  }
  if (rule.json === 'string') {
    if (!rule.check(text)) throw wrong();
    return text;
  }
  if (!/^-?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?$/.test(text)) throw wrong();
  if (rule.name === 'decimal') return text;
  if (!rule.check(Number(text))) throw wrong();
  return Number(text);
}

/** A code with its system may stand in a URL as it does in searches, `system|code`, though R4 wants it in a body. */
function fromToken(type: string | undefined, text: string): OperationValue | undefined {
  if (type !== 'Coding' && type !== 'CodeableConcept') return undefined;
  const [first = '', code] = splitUnescaped(text, '|').map((part) => unescapeValue(part) ?? part);
  const coding = code === undefined ? { code: first } : { ...(first === '' ? {} : { system: first }), code };
  return type === 'Coding' ? coding : { coding: [coding] };
}

/** Parameters of the query string: what can be said in a text. */
function addPairs(
  definitions: Definitions,
  spec: OperationSpec,
  pairs: readonly [string, string][],
  search: [string, string][] | undefined,
  into: Collected,
): void {
  const known = inputsOf(spec);
  for (const [name, text] of pairs) {
    const parameter = known.find((one) => one.name === name);
    if (!parameter) {
      if (search) search.push([name, text]);
      else if (!GENERAL.has(name)) throw unknown(spec, name, known);
      continue;
    }
    const rule = ruleOf(definitions, parameter.type);
    const token = rule ? undefined : fromToken(parameter.type, text);
    if (token) {
      collect(into, name, token);
      continue;
    }
    if (!rule) {
      throw bad(
        'invalid-parameter',
        `'${name}' is no primitive: give it in the Parameters resource of a POST, not in the URL`,
        name,
      );
    }
    collect(into, name, fromText(rule, name, text));
  }
}

/** `valueString` → `string`; the name of the type of what a Parameters.parameter holds. */
function typeOfValue(definitions: Definitions, key: string): string {
  const type = key.slice('value'.length);
  const lower = type.charAt(0).toLowerCase() + type.slice(1);
  return ruleOf(definitions, lower) ? lower : type;
}

function primitive(rule: PrimitiveRule, key: string, value: Json | undefined, at: string): OperationValue {
  if (rule.check(value)) {
    return rule.json === 'number' && rule.name === 'decimal'
      ? decimalText(value as unknown as number | RawJson)
      : (value as OperationValue);
  }
  const wanted = choiceName('value', rule.name);
  const text = key === wanted ? `${rule.name} is ${rule.expected}` : `${wanted} is needed, ${rule.expected}`;
  throw bad('invalid-parameter', `${key} does not fit: ${text}`, `${at}.${key}`);
}

function assertResourceType(parameter: OperationParameter, resource: JsonObject, at: string): void {
  const wanted = parameter.type ?? 'Resource';
  if (wanted === 'Resource' || resource.resourceType === wanted) return;
  throw bad(
    'invalid-parameter',
    `'${parameter.name}' must be a ${wanted}, found ${sentName(resource.resourceType)}`,
    at,
  );
}

interface Place {
  definitions: Definitions;
  spec: OperationSpec;
  /** FHIRPath of the parameter: `Parameters.parameter[0]`. */
  at: string;
}

const isResourceType = (definitions: Definitions, type: string | undefined): boolean =>
  type === 'Resource' || (type !== undefined && definitions.isResourceType(type));

function inputValue(place: Place, parameter: OperationParameter, given: JsonObject): OperationValue {
  const { definitions, at } = place;
  if (parameter.part) {
    return readParameters(place, parameter.part, Array.isArray(given.part) ? given.part : [], `${at}.part`);
  }
  if (isObject(given.resource)) {
    if (!isResourceType(definitions, parameter.type))
      throw bad('invalid-parameter', `'${parameter.name}' is a ${parameter.type}, not a resource`, `${at}.resource`);
    assertResourceType(parameter, given.resource, `${at}.resource`);
    return given.resource;
  }
  const key = Object.keys(given).find((name) => /^value[A-Z]/.test(name));
  if (key === undefined || isResourceType(definitions, parameter.type)) {
    const form = isResourceType(definitions, parameter.type) ? 'a resource' : `a value of type ${parameter.type}`;
    throw bad('invalid-parameter', `'${parameter.name}' must have ${form}`, at);
  }
  // Of any type: the handler gets value[x] with its name, which tells the type.
  if (parameter.type === 'Element') return { [key]: given[key]! };
  const rule = ruleOf(definitions, parameter.type);
  // Types of one JSON form stand for each other where the text fits: a code may come as a string.
  if (rule) return primitive(rule, key, given[key], at);
  const type = typeOfValue(definitions, key);
  const value = given[key];
  if (type !== parameter.type || !isObject(value)) {
    throw bad('invalid-parameter', `'${parameter.name}' must be a ${parameter.type}, found ${type}`, `${at}.${key}`);
  }
  return value;
}

function readParameters(
  { definitions, spec }: Place,
  known: readonly OperationParameter[],
  list: readonly Json[],
  path: string,
): OperationInput {
  const into: Collected = new Map();
  list.forEach((given, index) => {
    const at = `${path}[${index}]`;
    if (!isObject(given) || typeof given.name !== 'string') throw bad('structure', 'A parameter needs a name', at);
    const parameter = known.find((one) => one.name === given.name);
    if (!parameter) throw unknown(spec, given.name, known);
    collect(into, parameter.name, inputValue({ definitions, spec, at }, parameter, given));
  });
  assertCounts(spec, known, into);
  return into;
}

function assertCounts(spec: OperationSpec, known: readonly OperationParameter[], input: OperationInput): void {
  for (const { name, min, max } of known) {
    const count = input.get(name)?.length ?? 0;
    if (count < min) {
      throw new CerebraError('required', `$${spec.name} needs the parameter '${name}'`, { expression: [name] });
    }
    if (max !== '*' && count > Number(max)) {
      throw bad(
        'invalid-parameter',
        `$${spec.name} takes '${name}' ${max === '1' ? 'once' : `${max} times`} at most`,
        name,
      );
    }
  }
}

/** The one parameter that may be posted as it is, without Parameters around it. */
function bareParameter(definitions: Definitions, spec: OperationSpec): OperationParameter | undefined {
  const resources = inputsOf(spec).filter(({ type, unchecked }) => isResourceType(definitions, type) && !unchecked);
  return resources.length === 1 ? resources[0] : undefined;
}

function addBody(
  definitions: Definitions,
  spec: OperationSpec,
  body: Resource,
  search: boolean,
  into: Collected,
): [string, string][] {
  const bare = bareParameter(definitions, spec);
  if (body.resourceType !== 'Parameters' || bare?.type === 'Parameters') {
    if (!bare) {
      throw bad(
        'structure',
        `$${spec.name} takes a Parameters resource, found ${shown(body.resourceType)}`,
        'Parameters',
      );
    }
    assertResourceType(bare, body, body.resourceType);
    collect(into, bare.name, body);
    return [];
  }
  const list = Array.isArray(body.parameter) ? body.parameter : [];
  const known = inputsOf(spec);
  const pairs: [string, string][] = [];
  list.forEach((given, index) => {
    const at = `Parameters.parameter[${index}]`;
    if (!isObject(given) || typeof given.name !== 'string') throw bad('structure', 'A parameter needs a name', at);
    const parameter = known.find((one) => one.name === given.name);
    if (parameter) collect(into, parameter.name, inputValue({ definitions, spec, at }, parameter, given));
    else if (search) pairs.push(searchPair(given, at));
    else throw unknown(spec, given.name, known);
  });
  return pairs;
}

/** A search parameter given as a parameter: any primitive, as it stands in a URL. */
function searchPair(given: JsonObject, at: string): [string, string] {
  const key = Object.keys(given).find((name) => /^value[A-Z]/.test(name)) ?? '';
  const value = given[key] as unknown;
  if (typeof value === 'string' || typeof value === 'boolean') return [String(given.name), String(value)];
  if (isNumber(value)) return [String(given.name), decimalText(value)];
  throw bad('invalid-parameter', `The search parameter '${shown(String(given.name))}' must be a string`, at);
}

/**
 * The input of a call, of the URL's parameters and the body's; `search` holds what was given of `spec.searchType`.
 * Throws `unknown-parameter`, `required` and `invalid-parameter` with the parameter's name or place.
 */
export function readInput(
  definitions: Definitions,
  spec: OperationSpec,
  pairs: readonly [string, string][],
  body: Resource | undefined,
): { input: OperationInput; search: [string, string][] } {
  const into: Collected = new Map();
  const search: [string, string][] = [];
  addPairs(definitions, spec, pairs, spec.searchType === undefined ? undefined : search, into);
  if (body) search.push(...addBody(definitions, spec, body, spec.searchType !== undefined, into));
  assertCounts(spec, inputsOf(spec), into);
  return { input: into, search };
}
