// The fields of each type: https://hl7.org/fhir/R4/graphql.html#fields. They are those of R4's definitions, under the
// names that they have in JSON, and those of searches; nothing is built of them before a query asks for the type.
import type { Definitions, ElementDefinition } from '#fhir-model';
import { isMetaType, metaFields } from './graphql-meta-types.ts';

export interface Field {
  /** `HumanName`, `Patient.contact`, `code`; `Resource` for any resource, `PatientConnection` and `PatientEdge` of searches. */
  type: string;
  list: boolean;
  primitive: boolean;
  /** Of a Reference: what it may refer to; absent for anything. */
  targets?: readonly string[];
}

type Fields = ReadonlyMap<string, Field>;

/** The root of a query that is not about one resource. */
export const QUERY = 'Query';
/** The root of a mutation. */
export const MUTATION = 'Mutation';

const capitalized = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

/** The name in GraphQL, which knows no dots: `PatientContact`. */
export const typeName = (type: string): string => type.split('.').map(capitalized).join('');

const jsonName = (element: ElementDefinition, type: string): string =>
  element.choice ? element.name + capitalized(type) : element.name;

function addElement(fields: Map<string, Field>, definitions: Definitions, element: ElementDefinition): void {
  const { array: list, targets } = element;
  for (const type of element.types) {
    const name = jsonName(element, type);
    const primitive = definitions.type(type)?.kind === 'primitive';
    fields.set(name, { type, list, primitive, ...(type === 'Reference' && targets ? { targets } : {}) });
    if (primitive) fields.set(`_${name}`, { type: 'Element', list, primitive: false });
  }
}

function elementFields(definitions: Definitions, type: string): Fields {
  const definition = definitions.type(type);
  const fields = new Map<string, Field>();
  if (definition?.kind === 'resource') fields.set('resourceType', { type: 'code', list: false, primitive: true });
  for (const element of definition?.elements ?? []) addElement(fields, definitions, element);
  return fields;
}

const scalar = (type: string): Field => ({ type, list: false, primitive: true });

/** https://hl7.org/fhir/R4/graphql.html#searching */
const connectionFields = (type: string): Fields =>
  new Map([
    ...['count', 'offset', 'pagesize'].map((name): [string, Field] => [name, scalar('integer')]),
    ...['first', 'previous', 'next', 'last'].map((name): [string, Field] => [name, scalar('string')]),
    ['edges', { type: `${type}Edge`, list: true, primitive: false }],
  ]);

const edgeFields = (type: string): Fields =>
  new Map([
    ['mode', scalar('code')],
    ['score', scalar('decimal')],
    ['resource', { type, list: false, primitive: false }],
  ]);

/** `Patient` and `List` of `PatientList`; undefined for a name without one of these endings or of another type. */
function partsOf<Ending extends string>({ isResourceType }: Definitions, name: string, endings: readonly Ending[]) {
  const ending = endings.find((one) => name.endsWith(one));
  const type = name.slice(0, -(ending?.length ?? 0));
  return ending !== undefined && isResourceType(type) ? { type, ending } : undefined;
}

const FORMS = ['List', 'Connection', 'Edge'] as const;

/** `Patient` and `Connection` of `PatientConnection`; undefined for a name of another form or type. */
export function searchName(
  definitions: Definitions,
  name: string,
): { type: string; form: (typeof FORMS)[number] } | undefined {
  const found = partsOf(definitions, name, FORMS);
  return found && { type: found.type, form: found.ending };
}

function fieldsOfType(definitions: Definitions, type: string): Fields {
  if (isMetaType(type)) return metaFields(type);
  if (definitions.type(type)) return elementFields(definitions, type);
  const search = searchName(definitions, type);
  if (search?.form === 'Connection') return connectionFields(search.type);
  return search?.form === 'Edge' ? edgeFields(search.type) : new Map();
}

const known = new WeakMap<Definitions, Map<string, Fields>>();

/** All fields of the type but those that search and follow references; empty for an unknown type. */
export function fieldsOf(definitions: Definitions, type: string): Fields {
  const byType = known.get(definitions) ?? new Map<string, Fields>();
  known.set(definitions, byType);
  const fields = byType.get(type) ?? fieldsOfType(definitions, type);
  byType.set(type, fields);
  return fields;
}

/** Whether variables of this type are objects: `PatientInput`, `Task_Input`. */
export const isInputType = (name: string): boolean => /_?Input$/.test(name);

/** GraphQL's own: https://spec.graphql.org/October2021/#sec-Scalars.Built-in-Scalars */
export const OWN_SCALARS = ['Boolean', 'String', 'Int', 'Float', 'ID'];

/** Named as the types of search parameters are, but for strings: https://hl7.org/fhir/R4/search.html#ptypes */
export const SEARCH_SCALARS = ['number', 'date', 'token', 'reference', 'composite', 'quantity', 'uri', 'special'];

const SCALARS = new Set([...OWN_SCALARS, ...SEARCH_SCALARS]);

/** Whether a variable may have the type: a scalar, any primitive of FHIR, or the input type of one of its types. */
export const isInput = (definitions: Definitions, name: string): boolean =>
  SCALARS.has(name) || isInputType(name) || definitions.type(name)?.kind === 'primitive';

const CHANGES = ['Create', 'Update', 'Delete'] as const;

/** `Patient` and `Create` of `PatientCreate`: https://hl7.org/fhir/R4/graphql.html#mutations */
export function changeName(
  definitions: Definitions,
  name: string,
): { type: string; change: (typeof CHANGES)[number] } | undefined {
  const found = partsOf(definitions, name, CHANGES);
  return found && { type: found.type, change: found.ending };
}

/** Whether a fragment `on name` is about the type: its own name, or that of a type it derives from. */
export function isA(definitions: Definitions, type: string, name: string): boolean {
  if (typeName(type) === name) return true;
  const base = definitions.type(type)?.base;
  return base !== undefined && isA(definitions, base, name);
}
