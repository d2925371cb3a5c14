// What can be asked, as a schema: put together of the same definitions and search parameters that queries are checked
// against, each type when it is looked at for the first time. Names and types are those of R4's own GraphQL definitions.
// https://hl7.org/fhir/R4/graphql.html#conformance, https://spec.graphql.org/October2021/#sec-Introspection
import type { Definitions } from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import { DEPRECATING, META_ENUMS, META_TYPES } from './graphql-meta-types.ts';
import {
  elementArguments,
  pageArguments,
  REFERENCE_ARGUMENTS,
  reverseTypes,
  searchArguments,
} from './graphql-schema-arguments.ts';
import {
  type ArgumentModel,
  createField,
  createType,
  type FieldModel,
  lazily,
  type SchemaModel,
  type TypeModel,
} from './graphql-schema-model.ts';
import { type Field, fieldsOf, MUTATION, OWN_SCALARS, QUERY, SEARCH_SCALARS, typeName } from './graphql-types.ts';

/** R4's primitives that GraphQL has a type for: https://hl7.org/fhir/R4/graphql.html#conformance */
const BUILT_IN: Record<string, string> = { boolean: 'Boolean', string: 'String', integer: 'Int', id: 'ID' };

/** The scalar of a primitive; the others have their own names. */
export const scalarName = (primitive: string): string => BUILT_IN[primitive] ?? primitive;

/** In the place of a resource of any type: GraphQL has no unions of input types. */
export const ANY_INPUT = 'ResourceInput';

/** `PatientInput`; Task.input is a TaskInput already, StructureMap.group.input a StructureMapGroupInput. */
export function inputName(definitions: Definitions, type: string): string {
  if (type === 'Resource') return ANY_INPUT;
  return typeName(type) + (definitions.type(`${type}.input`) ? '_Input' : 'Input');
}

const asList = (type: string, list: boolean): string => (list ? `[${type}]` : type);

export interface Schema {
  /** The model of a type, or of a list or non-null type: `[Patient]`, `ID!`. */
  ref(text: string): TypeModel;
  find(name: string): TypeModel | undefined;
  model: SchemaModel;
}

/** The types of a core, without the roots. */
interface Types {
  core: Core;
  byName: Map<string, TypeModel>;
  refs: Map<string, TypeModel>;
}

function wrapped(types: Types, text: string): TypeModel {
  const known = types.refs.get(text);
  if (known) return known;
  const isList = text.startsWith('[') && text.endsWith(']');
  const inner = isList ? text.slice(1, -1) : text.slice(0, -1);
  const model = createType(
    { kind: isList ? 'LIST' : 'NON_NULL', name: null, description: null },
    { ofType: () => refOf(types, inner) },
  );
  types.refs.set(text, model);
  return model;
}

function refOf(types: Types, text: string): TypeModel {
  if (/[\]!]$/.test(text)) return wrapped(types, text);
  const found = types.byName.get(text);
  if (!found) throw new Error(`The schema has no type ${text}`);
  return found;
}

/** The type's own name and those that it derives from: `Patient`, `DomainResource`, `Resource`. */
function lineOf(definitions: Definitions, type: string): string[] {
  const base = definitions.type(type)?.base;
  return [type, ...(base === undefined ? [] : lineOf(definitions, base))];
}

/** What a fragment may be about without being the type of anything itself. */
const INTERFACES = ['Resource', 'DomainResource', 'BackboneElement'];

function outputType({ type, primitive }: Field): string {
  return primitive ? scalarName(type) : typeName(type);
}

/** Ids have no extensions: https://hl7.org/fhir/R4/element.html#id */
const elementsOf = (definitions: Definitions, type: string) =>
  [...fieldsOf(definitions, type)].filter(([name]) => name !== '_id');

function elementField(types: Types, name: string, field: Field): FieldModel {
  const args = (): readonly ArgumentModel[] =>
    field.primitive || !field.list ? [] : elementArguments(types.core, field.type, scalarName);
  return createField(name, asList(outputType(field), field.list), (text) => refOf(types, text), args);
}

/** https://hl7.org/fhir/R4/graphql.html#references */
const referenceField = (types: Types): FieldModel =>
  createField(
    'resource',
    'Resource',
    (text) => refOf(types, text),
    () => REFERENCE_ARGUMENTS,
  );

/** https://hl7.org/fhir/R4/graphql.html#reverse */
function reverseFields(types: Types, type: string): FieldModel[] {
  const ref = (text: string) => refOf(types, text);
  return reverseTypes(types.core, type).flatMap(({ from, named }) => {
    const args = () => searchArguments(types.core, from, named ? 'reverse' : 'reverse-any');
    const list = createField(`${from}List`, `[${from}]`, ref, args);
    return named ? [list, createField(`${from}Connection`, `${from}Connection`, ref, args)] : [list];
  });
}

function fieldsOfModel(types: Types, type: string): FieldModel[] {
  const { definitions } = types.core;
  const fields = elementsOf(definitions, type).map(([name, field]) => elementField(types, name, field));
  if (type === 'Reference') fields.push(referenceField(types));
  if (definitions.isResourceType(type)) fields.push(...reverseFields(types, type));
  return fields;
}

function addObject(types: Types, type: string): void {
  const { definitions } = types.core;
  const interfaces = lineOf(definitions, type)
    .slice(1)
    .filter((name) => INTERFACES.includes(name));
  const description = definitions.isResourceType(type) ? `https://hl7.org/fhir/R4/${type.toLowerCase()}.html` : null;
  const name = typeName(type);
  const parts = {
    fields: () => fieldsOfModel(types, type),
    interfaces: () => interfaces.map((one) => refOf(types, one)),
  };
  types.byName.set(name, createType({ kind: 'OBJECT', name, description }, parts));
}

function addInterface(types: Types, name: string): void {
  const { definitions } = types.core;
  const isOne = ({ interfaces }: TypeModel): boolean => interfaces?.some((one) => one.name === name) === true;
  const parts = {
    fields: () => elementsOf(definitions, name).map(([each, field]) => elementField(types, each, field)),
    interfaces: () =>
      lineOf(definitions, name)
        .slice(1)
        .filter((one) => INTERFACES.includes(one))
        .map((one) => refOf(types, one)),
    possibleTypes: () => [...types.byName.values()].filter((one) => one.kind === 'OBJECT' && isOne(one)),
  };
  types.byName.set(name, createType({ kind: 'INTERFACE', name, description: null }, parts));
}

function addInput(types: Types, type: string): void {
  const { definitions } = types.core;
  const name = inputName(definitions, type);
  const ref = (text: string) => refOf(types, text);
  const inputFields = () =>
    elementsOf(definitions, type).map(([each, field]) => {
      const one = field.primitive ? scalarName(field.type) : inputName(definitions, field.type);
      return createField(each, asList(one, field.list), ref);
    });
  types.byName.set(
    name,
    createType({ kind: 'INPUT_OBJECT', name, description: null, isOneOf: false }, { inputFields }),
  );
}

/** All types that resources are made of. */
function elementTypes(definitions: Definitions): Set<string> {
  const found = new Set<string>();
  const visit = (type: string): void => {
    if (found.has(type) || type === 'Resource') return;
    found.add(type);
    for (const { type: below, primitive } of fieldsOf(definitions, type).values()) if (!primitive) visit(below);
  };
  for (const type of definitions.resourceTypes) visit(type);
  return found;
}

function addScalars(types: Types, elements: ReadonlySet<string>): void {
  const { definitions } = types.core;
  const names = new Set([...OWN_SCALARS, 'decimal', 'code', ...SEARCH_SCALARS]);
  for (const type of elements) {
    for (const field of fieldsOf(definitions, type).values()) if (field.primitive) names.add(scalarName(field.type));
  }
  for (const name of names) {
    const isFhir = definitions.type(name)?.kind === 'primitive';
    const specifiedByURL = isFhir ? `https://hl7.org/fhir/R4/datatypes.html#${name}` : null;
    types.byName.set(name, { kind: 'SCALAR', name, description: null, specifiedByURL });
  }
  const description = 'A resource of any type, as an object with its resourceType';
  types.byName.set(ANY_INPUT, { kind: 'SCALAR', name: ANY_INPUT, description });
}

function addMetaTypes(types: Types): void {
  const ref = (text: string) => refOf(types, text);
  const deprecating = [{ name: 'includeDeprecated', type: 'Boolean', defaultValue: 'false' }];
  for (const [type, fields] of Object.entries(META_TYPES)) {
    const all = () =>
      Object.entries(fields).map(([name, text]) =>
        createField(name, text, ref, () => (DEPRECATING.has(`${type}.${name}`) ? deprecating : [])),
      );
    const base = { kind: 'OBJECT', name: type, description: null } as const;
    types.byName.set(type, createType(base, { fields: all, interfaces: () => [] }));
  }
  for (const [name, values] of Object.entries(META_ENUMS)) {
    const enumValues = values.map((value) => ({ name: value, description: null, isDeprecated: false }));
    types.byName.set(name, { kind: 'ENUM', name, description: null, enumValues });
  }
}

function createTypes(core: Core): Types {
  const types: Types = { core, byName: new Map(), refs: new Map() };
  const { definitions } = core;
  const elements = elementTypes(definitions);
  addScalars(types, elements);
  for (const name of INTERFACES) addInterface(types, name);
  for (const type of elements) addObject(types, type);
  for (const type of definitions.resourceTypes) {
    for (const form of ['Connection', 'Edge']) addObject(types, type + form);
  }
  for (const type of elements) addInput(types, type);
  addMetaTypes(types);
  return types;
}

function queryFields(types: Types, names: readonly string[]): FieldModel[] {
  const ref = (text: string) => refOf(types, text);
  return names.flatMap((type) => [
    createField(type, type, ref, () => [{ name: 'id', type: 'ID!' }]),
    createField(`${type}List`, `[${type}]`, ref, () => searchArguments(types.core, type, 'root')),
    createField(`${type}Connection`, `${type}Connection`, ref, () => pageArguments(types.core, type)),
  ]);
}

function mutationFields(types: Types, names: readonly string[]): FieldModel[] {
  const ref = (text: string) => refOf(types, text);
  const id = { name: 'id', type: 'ID!' };
  return names.flatMap((type) => {
    const res = { name: 'res', type: `${inputName(types.core.definitions, type)}!` };
    return [
      createField(`${type}Create`, type, ref, () => [res]),
      createField(`${type}Update`, type, ref, () => [id, res]),
      createField(`${type}Delete`, type, ref, () => [id], 'Yields null'),
    ];
  });
}

const root = (name: string, fields: () => FieldModel[]): TypeModel =>
  createType({ kind: 'OBJECT', name, description: null }, { fields, interfaces: () => [] });

const DIRECTIVES = [
  ...['include', 'skip'].map((name) => ({
    ...{ name, locations: ['FIELD', 'FRAGMENT_SPREAD', 'INLINE_FRAGMENT'] },
    args: [{ name: 'if', type: 'Boolean!' }],
  })),
  ...['flatten', 'first', 'singleton'].map((name) => ({ name, locations: ['FIELD'], args: [] })),
  { name: 'slice', locations: ['FIELD'], args: [{ name: 'path', type: 'String!' }] },
];

function schemaModel(types: Types, query: TypeModel, mutation: TypeModel | null): SchemaModel {
  const ref = (text: string) => refOf(types, text);
  const all = () => {
    const inputs = (one: TypeModel) => one.kind === 'INPUT_OBJECT' || one.name === ANY_INPUT;
    const rest = [...types.byName.values()].filter((one) => mutation !== null || !inputs(one));
    return [...new Set([query, ...(mutation ? [mutation] : []), ...rest])];
  };
  const directives = () =>
    DIRECTIVES.map(({ name, locations, args }) => {
      const model = createField(name, 'Boolean', ref, () => args);
      return { name, description: null, isRepeatable: false, locations, args: model.args };
    });
  return lazily(
    { description: 'FHIR R4: https://hl7.org/fhir/R4/graphql.html' },
    { types: all, queryType: () => query, mutationType: () => mutation, directives },
  );
}

const known = new WeakMap<Core['parameters'], { revision: bigint; types: WeakRef<Types> }>();

/** Anew when a search parameter is defined, or when nobody has asked for a while: whole, they take 30 MB. */
function typesOf(core: Core): Types {
  const { parameters } = core;
  const { revision = 0n } = parameters;
  const found = known.get(parameters);
  const before = found?.revision === revision ? found.types.deref() : undefined;
  if (before) return before;
  const types = createTypes(core);
  known.set(parameters, { revision, types: new WeakRef(types) });
  return types;
}

/** Of a query on a resource of that type, or on `QUERY`; `only`: the type that a query at type level is about. */
export function schemaOf(core: Core, type: string, only: string | undefined): Schema {
  const types = typesOf(core);
  const ref = (text: string) => refOf(types, text);
  const find = (name: string) => types.byName.get(name);
  if (type !== QUERY) return { ref, find, model: schemaModel(types, ref(typeName(type)), null) };
  const names = only === undefined ? core.definitions.resourceTypes : [only];
  const query = root(QUERY, () => queryFields(types, names));
  const mutation = root(MUTATION, () => mutationFields(types, names));
  const roots = new Map([query, mutation].map((one) => [one.name, one]));
  return { ref, find: (name) => roots.get(name) ?? find(name), model: schemaModel(types, query, mutation) };
}
