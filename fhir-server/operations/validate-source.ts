// What $validate is given: a resource as it is or in Parameters, in any FHIR format, whatever may be wrong in it.
// https://hl7.org/fhir/R4/resource-operation-validate.html
import {
  type Issue,
  type JsonObject,
  type OperationInput,
  type OperationRequest,
  parseSentJson,
  type Resource,
} from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { assertValid } from '../store/store.ts';
import { isObject } from '../validation/json.ts';
import type { SourceText } from '../validation/positions/locate.ts';
import { one } from './answer.ts';

/** One resource to be validated, with the text that it came in. */
export interface Given {
  resource: Resource;
  /** None where it isn't what was sent. */
  source: SourceText | undefined;
}

/** Faults that keep a text from being a resource at all. */
export interface Unreadable {
  issues: Issue[];
}

export interface Asked {
  /** Neither where the call has no resource. */
  given?: Given | Unreadable;
  /** Of the URL and, where there is one, the Parameters resource. */
  input: OperationInput;
}

const fatal = (issue: Issue): Issue => (issue.severity === 'error' ? { ...issue, severity: 'fatal' } : issue);

const structureFault = (diagnostics: string): Unreadable => ({
  issues: [{ severity: 'fatal', code: 'structure', diagnostics }],
});

/** The resource in a text, or why there is none. Throws only what is not about the text. */
async function read(core: Core, { format, text }: SourceText): Promise<Resource | Unreadable> {
  try {
    if (format === 'xml') return await core.xml.read(text);
    const { exact } = parseSentJson(text);
    if (!isObject(exact)) return structureFault('A resource is a JSON object');
    if (typeof exact.resourceType !== 'string') return structureFault('The resource has no resourceType');
    return exact as Resource;
  } catch (error) {
    if (!isCerebraError(error) || error.code === 'too-costly') throw error;
    return { issues: error.issues.map(fatal) };
  }
}

const isUnreadable = (found: Resource | Unreadable): found is Unreadable => !('resourceType' in found);

/** The operation's own parameters: a Parameters resource without any of them is what is to be validated. */
const OWN = new Set(['resource', 'mode', 'profile', 'mustSupport']);

function isCall(body: Resource, instance: boolean): boolean {
  if (body.resourceType !== 'Parameters') return false;
  const list = Array.isArray(body.parameter) ? body.parameter : [];
  if (list.length === 0) return instance;
  return list.some((parameter) => isObject(parameter) && typeof parameter.name === 'string' && OWN.has(parameter.name));
}

/** The Parameters without the resource in it, which may be wrong in any way. */
function shellOf(body: Resource): Resource {
  const list = Array.isArray(body.parameter) ? body.parameter : [];
  const parameter = list.map((one) => {
    if (!isObject(one)) return one;
    const { resource: _resource, ...rest } = one;
    return rest;
  });
  return { ...body, parameter };
}

type ReadInput = (parameters: Resource) => OperationInput;

function merged(url: OperationInput, body: OperationInput): OperationInput {
  const twice = [...url.keys()].find((name) => body.has(name) && name !== 'profile');
  if (twice !== undefined) {
    throw new CerebraError('invalid-parameter', `'${twice}' stands in the URL and in the Parameters: give it once`, {
      expression: [twice],
    });
  }
  const profiles = [...(url.get('profile') ?? []), ...(body.get('profile') ?? [])];
  return new Map([...url, ...body, ...(profiles.length > 0 ? [['profile', profiles] as const] : [])]);
}

/** Reads the body of a call. `readInput` reads a Parameters resource as the operation's. */
export async function askedOf(core: Core, request: OperationRequest, readInput: ReadInput): Promise<Asked> {
  const { body, input } = request;
  if (body === undefined || body.text.trim() === '') return { input };
  const source: SourceText = { format: body.type.endsWith('xml') ? 'xml' : 'json', text: body.text };
  const found = await read(core, source);
  if (isUnreadable(found)) return { input, given: found };
  const sent = body.rewritten ? undefined : source;
  if (!isCall(found, request.id !== undefined)) return { input, given: { resource: found, source: sent } };
  assertValid(core.store, shellOf(found));
  const all = merged(input, readInput(found));
  const resource = one<Resource>(all, 'resource');
  if (resource === undefined) return { input: all };
  const list = found.parameter as JsonObject[];
  const below = `parameter[${list.findIndex(({ name }) => name === 'resource')}].resource`;
  return { input: all, given: { resource, source: sent && { ...sent, below } } };
}
