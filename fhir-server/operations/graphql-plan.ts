// What a query asks for, checked against R4's definitions before anything is read: a field, argument or directive that is
// not there is an error whether data would have come to it or not. https://hl7.org/fhir/R4/graphql.html#conformance
import type { FieldNode, SelectionNode } from 'graphql';
import { type CerebraError, isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { type Change, readChange } from './graphql-change-plan.ts';
import type { QueryDocument } from './graphql-document.ts';
import { byPlace, fault } from './graphql-faults.ts';
import { isMetaType } from './graphql-meta-types.ts';
import { assertMetaArguments, assertPlain, assertVariables } from './graphql-plan-checks.ts';
import { countArgument, planSearch, type SearchPlan } from './graphql-search.ts';
import {
  type Argued,
  argumentsOf,
  type Context,
  type Directives,
  directivesOf,
  expand,
  listed,
  type Occurrence,
  partitions,
  type Scene,
  variantsOf,
} from './graphql-selections.ts';
import { changeName, type Field, fieldsOf, MUTATION, QUERY, searchName } from './graphql-types.ts';

/** Fields within each other. */
export const DEPTH_MAX = 20;
const FAULTS_MAX = 10;

/** Changes of one mutation. */
const CHANGES_MAX = 100;

/** Which elements of a list are meant. */
export interface Choice {
  /** Name of a child, and the texts one of which it must have. */
  equal: { name: string; texts: string[] }[];
  path?: string;
  offset: number;
  count?: number;
}

export interface FieldPlan {
  /** The name in the answer. */
  key: string;
  name: string;
  node: FieldNode;
  what: 'element' | 'typename' | 'reference' | 'search' | 'read' | 'schema' | 'change';
  /** What it is, by the type of the object that has it; on other types there is no such field. */
  defs: ReadonlyMap<string, Field>;
  directives: Directives;
  choice?: Choice;
  /** Of `resource`: the one type that is wanted, and whether it may be missing. */
  wanted?: { type?: string; optional: boolean };
  search?: SearchPlan;
  /** Of a single resource its id, of `__type` the name. */
  id?: string;
  change?: Change;
  fields: readonly FieldPlan[];
}

/** Faults are collected, so that a client sees several at once. */
function attempt<T>(context: Context, work: () => T[]): T[] {
  try {
    return work();
  } catch (error) {
    if (!isCerebraError(error) || error.code === 'too-costly' || error.code === 'too-large') throw error;
    context.faults.push(error);
    return [];
  }
}

function planFields(context: Context, scene: Scene, selections: readonly SelectionNode[]): FieldPlan[] {
  const found: Occurrence[] = [];
  if (scene.depth > DEPTH_MAX) {
    throw fault('too-costly', `A query may be ${DEPTH_MAX} fields deep`, selections[0]!);
  }
  attempt(context, () => {
    expand(context, scene, selections, found);
    return [];
  });
  const others = scene.open ? found.flatMap(({ types }) => types.filter((type) => !scene.types.includes(type))) : [];
  const all = others.length > 0 ? [...new Set([...scene.types, ...others])] : scene.types;
  const groups = Map.groupBy(found, ({ node }) => node.alias?.value ?? node.name.value);
  return [...groups]
    .flatMap(([key, some]) =>
      attempt(context, () =>
        partitions(all, some).flatMap(({ types, nodes }) =>
          variantsOf(nodes).flatMap((variant) =>
            context.faults.length < FAULTS_MAX
              ? planField(context, { ...scene, types, open: false }, key, variant)
              : [],
          ),
        ),
      ),
    )
    .filter((plan, _, plans) => isMeant(plan, plans, context));
}

/** A field that some of the types lack is asked of the others; one that all lack is a fault. */
function isMeant(plan: FieldPlan, plans: readonly FieldPlan[], context: Context): boolean {
  if (plan.defs.size > 0) return true;
  if (!plans.some(({ node, defs }) => node === plan.node && defs.size > 0)) context.faults.push(misfit(plan));
  return false;
}

const misfits = new WeakMap<FieldNode, string>();

const misfit = ({ node, name }: FieldPlan): CerebraError =>
  fault('invalid', misfits.get(node) ?? `There is no field '${name}'`, node, name);

function planField(context: Context, scene: Scene, key: string, nodes: FieldNode[]): FieldPlan[] {
  const node = nodes[0]!;
  const name = node.name.value;
  const { definitions } = context.core;
  if (name === '__typename') return [typenameField(context, scene, key, node)];
  if (name === '__schema' || name === '__type') return [schemaField(context, scene, key, nodes)];
  if (scene.types[0] === MUTATION) return [changeField(context, scene, key, nodes)];
  if (scene.types.includes('Reference') && name === 'resource') return [referenceField(context, scene, key, nodes)];
  if (scene.types[0] === QUERY && definitions.isResourceType(name)) return [readField(context, scene, key, nodes)];
  const search = searchName(definitions, name);
  if (search && search.form !== 'Edge' && isSearchable(context, scene)) {
    return [searchField(context, scene, key, nodes, { type: search.type, form: search.form })];
  }
  return [elementField(context, scene, key, nodes)];
}

function typenameField(context: Context, { types }: Scene, key: string, node: FieldNode): FieldPlan {
  if (node.selectionSet || node.arguments?.length) throw fault('invalid', '__typename is a name', node, '__typename');
  const defs = new Map(types.map((type): [string, Field] => [type, { type: 'string', list: false, primitive: true }]));
  return { key, name: '__typename', node, what: 'typename', defs, directives: directivesOf(context, node), fields: [] };
}

/** https://hl7.org/fhir/R4/graphql.html#mutations */
function changeField(context: Context, scene: Scene, key: string, nodes: FieldNode[]): FieldPlan {
  const node = nodes[0]!;
  const name = node.name.value;
  const asked = changeName(context.core.definitions, name);
  if (!asked) throw fault('invalid', `Mutation has no field '${name.slice(0, 80)}'`, node, name);
  const { type } = asked;
  assertAsked(context, type, node);
  const directives = directivesOf(context, node);
  assertPlain(directives, node);
  const change = readChange(context, node, asked);
  // What is deleted has no fields left; as it is of type Patient, GraphQL's clients have to ask for some.
  const isBare = change.method === 'DELETE' && selectionsOf(nodes).length === 0;
  const fields = isBare ? [] : fieldsBelow(context, { ...scene, types: [type] }, nodes, type);
  const defs = new Map<string, Field>([[MUTATION, { type, list: false, primitive: false }]]);
  return { key, name, node, what: 'change', defs, directives, change, fields };
}

/** https://spec.graphql.org/October2021/#sec-Schema-Introspection */
function schemaField(context: Context, scene: Scene, key: string, nodes: FieldNode[]): FieldPlan {
  const node = nodes[0]!;
  const name = node.name.value;
  const [root] = scene.types;
  if (scene.depth > 1 || root === MUTATION) throw fault('invalid', `'${name}' is for the root of a query`, node, name);
  const directives = directivesOf(context, node);
  assertPlain(directives, node);
  const [argument, more] = argumentsOf(context, node);
  const wanted =
    name === '__type' ? argument?.node.name.value === 'name' && typeof argument.given === 'string' : !argument;
  if (!wanted || more)
    throw fault('invalid', "'__type' has the argument name, a string, '__schema' has none", node, name);
  const type = name === '__type' ? '__Type' : '__Schema';
  const defs = new Map<string, Field>([[root!, { type, list: false, primitive: false }]]);
  const fields = fieldsBelow(context, { ...scene, types: [type] }, nodes, type);
  return { key, name, node, what: 'schema', defs, directives, id: String(argument?.given), fields };
}

const isResource = (context: Context, type: string): boolean => context.core.definitions.isResourceType(type);

const isSearchable = (context: Context, { types }: Scene): boolean =>
  types[0] === QUERY || types.some((type) => isResource(context, type));

const selectionsOf = (nodes: readonly FieldNode[]): SelectionNode[] =>
  nodes.flatMap((node) => node.selectionSet?.selections ?? []);

/** The fields below, which an object must be asked for. */
function fieldsBelow(context: Context, scene: Scene, nodes: FieldNode[], type: string): FieldPlan[] {
  const selections = selectionsOf(nodes);
  const node = nodes[0]!;
  if (selections.length > 0) return planFields(context, { ...scene, depth: scene.depth + 1 }, selections);
  const name = node.name.value;
  throw fault('invalid', `'${name}' has the type ${type}: say which of its fields are wanted`, node, name);
}

function referenceField(context: Context, scene: Scene, key: string, nodes: FieldNode[]): FieldPlan {
  const node = nodes[0]!;
  const all = context.core.definitions.resourceTypes;
  let types = scene.targets ?? all;
  const wanted: NonNullable<FieldPlan['wanted']> = { optional: false };
  for (const { node: argument, given } of argumentsOf(context, node)) {
    const name = argument.name.value;
    if (name === 'optional' && typeof given === 'boolean') wanted.optional = given;
    else if (name === 'type' && typeof given === 'string' && isResource(context, given)) {
      wanted.type = given;
      types = [given];
    } else {
      throw fault(
        'invalid',
        "'resource' has the arguments optional, a boolean, and type, a resource type",
        argument,
        name,
      );
    }
  }
  const def: Field = { type: 'Resource', list: false, primitive: false };
  const fields = fieldsBelow(context, { ...scene, types, targets: undefined, open: true }, nodes, 'Resource');
  const directives = directivesOf(context, node);
  return {
    key,
    name: 'resource',
    node,
    what: 'reference',
    defs: new Map([['Reference', def]]),
    directives,
    wanted,
    fields,
  };
}

/** At type level, only its own. */
function assertAsked(context: Context, type: string, node: FieldNode): void {
  const { only } = context;
  if (only === undefined || type === only) return;
  throw fault(
    'invalid',
    `What is asked at ${only}/$graphql is about ${only}: ask for ${type} at [base]/$graphql`,
    node,
  );
}

function readField(context: Context, scene: Scene, key: string, nodes: FieldNode[]): FieldPlan {
  const node = nodes[0]!;
  const type = node.name.value;
  assertAsked(context, type, node);
  const args = argumentsOf(context, node);
  const [id, more] = args;
  if (id?.node.name.value !== 'id' || typeof id.given !== 'string' || more) {
    throw fault('required', `${type} needs the argument 'id' and no other; ${type}List searches`, node, 'id');
  }
  const defs = new Map<string, Field>([[QUERY, { type, list: false, primitive: false }]]);
  const fields = fieldsBelow(context, { ...scene, types: [type] }, nodes, type);
  return { key, name: type, node, what: 'read', defs, directives: directivesOf(context, node), id: id.given, fields };
}

function searchField(
  context: Context,
  scene: Scene,
  key: string,
  nodes: FieldNode[],
  asked: { type: string; form: 'List' | 'Connection' },
): FieldPlan {
  const node = nodes[0]!;
  const isRoot = scene.types[0] === QUERY;
  if (isRoot) assertAsked(context, asked.type, node);
  const parents = isRoot ? [QUERY] : scene.types.filter((type) => isResource(context, type));
  const args = argumentsOf(context, node);
  const search = planSearch(context.core, node, asked, args, isRoot ? undefined : parents);
  const list = asked.form === 'List';
  const type = list ? asked.type : `${asked.type}Connection`;
  const fields = fieldsBelow(context, { ...scene, types: [type] }, nodes, type);
  const defs = new Map(parents.map((parent): [string, Field] => [parent, { type, list, primitive: false }]));
  return {
    key,
    name: node.name.value,
    node,
    what: 'search',
    defs,
    directives: directivesOf(context, node),
    search,
    fields,
  };
}

/** By type the field of that name, if it is an object or a primitive as the query takes it. */
function definitionsOf(context: Context, types: readonly string[], nodes: FieldNode[]): Map<string, Field> {
  const node = nodes[0]!;
  const name = node.name.value;
  const wantsObject = selectionsOf(nodes).length > 0;
  const all = types.flatMap((type): [string, Field][] => {
    const field = fieldsOf(context.core.definitions, type).get(name);
    return field ? [[type, field]] : [];
  });
  const fitting = all.filter(([, field]) => field.primitive !== wantsObject);
  if (fitting.length === 0) {
    const [found] = all;
    const text = !found
      ? `${listed(types)} has no field '${name.slice(0, 80)}'`
      : wantsObject
        ? `'${name}' has the type ${found[1].type}, which has no fields`
        : `'${name}' has the type ${found[1].type}: say which of its fields are wanted`;
    misfits.set(node, text);
  }
  return new Map(fitting);
}

function choiceOf(context: Context, types: readonly string[], args: readonly Argued[]): Choice | undefined {
  if (args.length === 0) return undefined;
  const choice: Choice = { equal: [], offset: 0 };
  for (const { node, given } of args) {
    const name = node.name.value;
    if (name === '_count') choice.count = countArgument(node, given);
    else if (name === '_offset') choice.offset = countArgument(node, given);
    else if (name === 'fhirpath' && typeof given === 'string') choice.path = given;
    else {
      const items = Array.isArray(given) ? given : [given];
      // As text, null would be looked for, and nothing found.
      if (items.some((item) => item === null || Array.isArray(item))) {
        throw fault('invalid-parameter', `'${name.slice(0, 80)}' takes a value, or an array of values`, node, name);
      }
      const texts = items.map(String);
      const known = types.some((type) => fieldsOf(context.core.definitions, type).get(name)?.primitive);
      if (!known || name === 'fhirpath') {
        const text = `There is no argument '${name.slice(0, 80)}': there are fhirpath, _offset, _count and the primitive fields of ${listed(types)}`;
        throw fault('invalid', text, node, name);
      }
      choice.equal.push({ name, texts });
    }
  }
  return choice;
}

function elementField(context: Context, scene: Scene, key: string, nodes: FieldNode[]): FieldPlan {
  const node = nodes[0]!;
  const defs = definitionsOf(context, scene.types, nodes);
  const directives = directivesOf(context, node);
  const plan = { key, name: node.name.value, node, what: 'element' as const, defs, directives };
  if (defs.size === 0) return { ...plan, fields: [] };
  const args = argumentsOf(context, node);
  const found = [...defs.values()];
  const isMeta = isMetaType(scene.types[0]!);
  if (isMeta) assertPlain(directives, node);
  if (found[0]!.primitive) {
    if (args.length > 0) throw fault('invalid', `'${plan.name}' is a primitive: it has no arguments`, node, plan.name);
    if (directives.flatten || directives.slice !== undefined) {
      throw fault('invalid', `@flatten and @slice are for fields with fields: '${plan.name}' has none`, node);
    }
    return { ...plan, fields: [] };
  }
  const types = [...new Set(found.flatMap(({ type }) => concrete(context, type)))];
  const targets = targetsOf(found);
  if (isMeta) assertMetaArguments(args);
  const choice = isMeta ? undefined : choiceOf(context, types, args);
  const fields = fieldsBelow(context, { ...scene, types, targets }, nodes, found[0]!.type);
  return { ...plan, ...(choice ? { choice } : {}), fields };
}

const concrete = ({ core }: Context, type: string): readonly string[] =>
  type === 'Resource' ? core.definitions.resourceTypes : [type];

/** What the references among the fields may lead to. */
function targetsOf(fields: readonly Field[]): string[] | undefined {
  const references = fields.filter(({ type }) => type === 'Reference');
  if (references.some(({ targets }) => !targets || targets.includes('Resource'))) return undefined;
  return [...new Set(references.flatMap(({ targets }) => targets ?? []))];
}

export interface QueryPlan {
  fields: readonly FieldPlan[];
  /** Why it can't be answered, ten reasons at most; empty if it can. */
  faults: readonly CerebraError[];
}

/** The plan of a query on a resource of that type, or on `QUERY`; `only`: the type that a query at type level is about. */
export function planQuery(core: Core, document: QueryDocument, type: string, only?: string): QueryPlan {
  const begun = { count: 0, faults: [], sizes: new Map(), sent: 0 };
  const context: Context = { core, document, ...begun, ...(only === undefined ? {} : { only }) };
  const { operation } = document;
  const fields = attempt(context, () => {
    assertVariables(core.definitions, operation.variableDefinitions ?? []);
    const [directive] = operation.directives ?? [];
    if (directive) throw fault('invalid', `@${directive.name.value} can't stand at a query`, directive);
    const root = operation.operation === 'mutation' ? MUTATION : type;
    const all = planFields(context, { types: [root], targets: undefined, depth: 1 }, operation.selectionSet.selections);
    if (root !== MUTATION || all.length <= CHANGES_MAX) return all;
    throw fault('too-costly', `A mutation may have ${CHANGES_MAX} fields`, operation);
  });
  return { fields, faults: byPlace(context.faults).slice(0, FAULTS_MAX) };
}
