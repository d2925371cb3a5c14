// What a mutation is to change: all of a document is checked before anything is carried out.
// https://hl7.org/fhir/R4/graphql.html#mutations
import { type FieldNode, type ValueNode, visit } from 'graphql';
import { isId, isObject, type JsonObject, parseSentJson, type Resource, stringify } from '#fhir-model';
import { CerebraError } from '#platform';
import { assertValid } from '../store/store.ts';
import { sentType } from '../validation/primitives.ts';
import { fault, placedAt } from './graphql-faults.ts';
import { jsonOf, resourceOf } from './graphql-input.ts';
import { argumentsOf, type Context } from './graphql-selections.ts';

/** Of one field of a mutation. */
export interface Change {
  method: 'POST' | 'PUT' | 'DELETE';
  type: string;
  id?: string;
  resource?: Resource;
}

const METHODS = { Create: 'POST', Update: 'PUT', Delete: 'DELETE' } as const;

const ARGUMENTS = { Create: ['res'], Update: ['id', 'res'], Delete: ['id'] } as const;

function assertArguments(field: FieldNode, wanted: readonly string[]): void {
  const found = (field.arguments ?? []).map(({ name }) => name.value);
  const lacking = wanted.find((name) => !found.includes(name));
  const { value } = field.name;
  const text = `${value} has the ${wanted.length > 1 ? 'arguments' : 'argument'} ${wanted.join(' and ')}`;
  if (lacking) throw fault('required', text, field, lacking);
  for (const node of field.arguments ?? []) {
    const name = node.name.value;
    const isTwice = found.indexOf(name) !== found.lastIndexOf(name);
    if (isTwice) throw fault('invalid', `The argument '${name}' is given twice`, node, name);
    if (!wanted.includes(name)) throw fault('invalid', `${text}, and no '${name.slice(0, 80)}'`, node, name);
  }
}

function readId(context: Context, field: FieldNode): string {
  const only = { ...field, arguments: field.arguments?.filter(({ name }) => name.value === 'id') ?? [] };
  const given = argumentsOf(context, only)[0]?.given;
  if (typeof given === 'string' && isId(given)) return given;
  throw fault('invalid-parameter', "'id' must be the id of a resource", only.arguments[0] ?? field, 'id');
}

/** A variable may stand in many places: all of them together are no more than a body may be. */
function spendVariables(context: Context, node: ValueNode): void {
  const { core, document } = context;
  visit(node, {
    Variable({ name: { value: name } }) {
      const known = context.sizes.get(name) ?? (stringify(document.sent.get(name)) ?? '').length;
      context.sizes.set(name, known);
      context.sent += known;
      if (context.sent <= core.limits.bodyBytesMax) return;
      const text = `Variables make up more than ${core.limits.bodyBytesMax} characters of the resources: send fewer`;
      throw new CerebraError('too-large', text, { expression: ['variables'] });
    },
  });
}

/** As it would have been sent by itself: a list that was one value, and a variable within objects, make it deeper. */
const asSent = (resource: Resource): Resource => parseSentJson(stringify(resource)).exact as JsonObject & Resource;

function readResource(context: Context, field: FieldNode, type: string, id: string | undefined): Resource {
  const { core, document } = context;
  const node = field.arguments!.find(({ name }) => name.value === 'res')!;
  spendVariables(context, node.value);
  const json = jsonOf(node.value, document.sent);
  const wrong = (text: string) => fault('invalid-parameter', text, node, 'res');
  if (!isObject(json)) throw wrong(`'res' must be a ${type}, as an object`);
  if (json.resourceType !== undefined && json.resourceType !== null && json.resourceType !== type) {
    throw wrong(`${field.name.value} takes a ${type}, 'res' is ${sentType(json.resourceType)}`);
  }
  const resource = resourceOf(core.definitions, type, json);
  if (id !== undefined) {
    resource.id ??= id;
    if (resource.id !== id) throw wrong(`The id of 'res' must be the argument 'id', '${id}'`);
  }
  try {
    const sent = asSent(resource);
    assertValid(core.store, sent);
    return sent;
  } catch (error) {
    throw placedAt(error, node);
  }
}

/** What a field of a mutation is to change, its resource checked against the structure of its type. */
export function readChange(
  context: Context,
  field: FieldNode,
  { type, change }: { type: string; change: keyof typeof METHODS },
): Change {
  assertArguments(field, ARGUMENTS[change]);
  const id = change === 'Create' ? undefined : readId(context, field);
  const resource = change === 'Delete' ? undefined : readResource(context, field, type, id);
  return { method: METHODS[change], type, ...(id === undefined ? {} : { id }), ...(resource ? { resource } : {}) };
}
