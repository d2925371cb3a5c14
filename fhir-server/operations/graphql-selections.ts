// The selections of a query with their fragments opened and their directives read: what of it is asked of which type.
// https://hl7.org/fhir/R4/graphql.html#flattening, https://spec.graphql.org/October2021/#sec-Field-Collection
import {
  type ArgumentNode,
  type DirectiveNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type InlineFragmentNode,
  print,
  type SelectionNode,
} from 'graphql';
import type { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { argumentValue, type Given, type QueryDocument } from './graphql-document.ts';
import { fault } from './graphql-faults.ts';
import { fieldsOf, isA } from './graphql-types.ts';

/** Fields of a query, those of a fragment counted wherever it is spread. */
const FIELDS_MAX = 2000;

export interface Directives {
  flatten: boolean;
  first: boolean;
  singleton: boolean;
  /** The FHIRPath of @slice. */
  slice?: string;
}

export interface Context {
  core: Core;
  document: QueryDocument;
  /** At type level: the one that the query is about. */
  only?: string;
  count: number;
  faults: CerebraError[];
  /** Characters of variables, and what those in resources come to. */
  sizes: Map<string, number>;
  sent: number;
}

/** Types that an object may have, and what references in it may lead to; undefined: anything. */
export interface Scene {
  types: readonly string[];
  targets: readonly string[] | undefined;
  depth: number;
  /** It is a Resource, of the schema's interface: fragments on other types than those expected here are about nothing. */
  open?: boolean;
}

export interface Occurrence {
  node: FieldNode;
  types: readonly string[];
}

export const listed = (names: readonly string[]): string =>
  names.length > 5 ? `${names.slice(0, 5).join(', ')}, …` : names.join(', ');

function givenTo(context: Context, node: ArgumentNode): Given | undefined {
  return argumentValue(node.value, context.document.variables, node);
}

function booleanArgument(context: Context, directive: DirectiveNode): boolean {
  const [node, more] = directive.arguments ?? [];
  const given = node?.name.value === 'if' && !more ? givenTo(context, node) : undefined;
  if (typeof given === 'boolean') return given;
  throw fault('invalid', `@${directive.name.value} needs the argument 'if', a boolean`, directive);
}

/** By @skip and @include. */
function isIncluded(context: Context, node: SelectionNode): boolean {
  let included = true;
  for (const directive of node.directives ?? []) {
    const name = directive.name.value;
    if (name === 'skip') included &&= !booleanArgument(context, directive);
    else if (name === 'include') included &&= booleanArgument(context, directive);
    else if (node.kind !== 'Field') throw fault('invalid', `@${name} can't stand at a fragment`, directive);
  }
  return included;
}

function slicePath(context: Context, directive: DirectiveNode): string {
  const [node, more] = directive.arguments ?? [];
  const named = node && (node.name.value === 'path' || node.name.value === 'fhirpath') && !more;
  const given = named ? givenTo(context, node) : undefined;
  if (typeof given === 'string') return given;
  throw fault('invalid', "@slice needs the argument 'path', a FHIRPath", directive);
}

export function directivesOf(context: Context, node: FieldNode): Directives {
  const found: Directives = { flatten: false, first: false, singleton: false };
  for (const directive of node.directives ?? []) {
    const name = directive.name.value;
    if (name === 'skip' || name === 'include') continue;
    if (name === 'slice') found.slice = slicePath(context, directive);
    else if (name === 'flatten' || name === 'first' || name === 'singleton') found[name] = true;
    else throw fault('invalid', `There is no directive @${name.slice(0, 80)}`, directive);
    if (name !== 'slice' && directive.arguments?.length) throw fault('invalid', `@${name} has no arguments`, directive);
  }
  if (found.slice !== undefined && found.first) throw fault('invalid', "@slice and @first can't be mixed", node);
  return found;
}

type Fragment = FragmentDefinitionNode | InlineFragmentNode;

function fragmentOf(context: Context, node: Exclude<SelectionNode, FieldNode>): Fragment {
  if (node.kind === 'InlineFragment') return node;
  const found = context.document.fragments.get(node.name.value);
  if (!found) throw fault('invalid', `There is no fragment '${node.name.value.slice(0, 80)}'`, node);
  return found;
}

function narrowed(context: Context, { typeCondition }: Fragment, scene: Kinds): Kinds {
  if (!typeCondition) return scene;
  const { types, open = false } = scene;
  const name = typeCondition.name.value;
  const { definitions } = context.core;
  const among = (some: readonly string[]) => some.filter((type) => isA(definitions, type, name));
  const kept = among(types);
  const found = kept.length === 0 && open ? among(definitions.resourceTypes) : kept;
  if (found.length > 0) return { types: found, open: open && !definitions.isResourceType(name) };
  throw fault('invalid', `'on ${name.slice(0, 80)}' can't be true here: this is ${listed(types)}`, typeCondition);
}

type Kinds = Pick<Scene, 'types' | 'open'>;

/**
 * What any resource has is asked of any: a reference may lead to a type that its element does not name, since targets are no
 * condition of storing.
 */
function typesAsked(
  { core: { definitions } }: Context,
  { types, open }: Kinds,
  { name }: FieldNode,
): readonly string[] {
  if (!open) return types;
  const isCommon = name.value === '__typename' || fieldsOf(definitions, 'DomainResource').has(name.value);
  return isCommon ? definitions.resourceTypes : types;
}

/** All fields of the selections, fragments opened. */
export function expand(context: Context, kinds: Kinds, selections: readonly SelectionNode[], into: Occurrence[]): void {
  for (const node of selections) {
    if (++context.count > FIELDS_MAX) throw fault('too-costly', `A query may have ${FIELDS_MAX} fields`, node);
    if (!isIncluded(context, node)) continue;
    if (node.kind === 'Field') into.push({ node, types: typesAsked(context, kinds, node) });
    else {
      const fragment = fragmentOf(context, node);
      expand(context, narrowed(context, fragment, kinds), fragment.selectionSet.selections, into);
    }
  }
}

/** Conditions that hold by now, and say nothing of what the field is. */
const isCondition = ({ name: { value } }: DirectiveNode): boolean => value === 'skip' || value === 'include';

/** Two fields with the same signature are one. */
const signature = ({ name, arguments: args = [], directives = [] }: FieldNode): string =>
  [name.value, ...args.map(print).sort(), ...directives.filter((directive) => !isCondition(directive)).map(print)].join(
    ' ',
  );

/** `resource(type: Patient)` beside `resource(type: Group)`: of which one at most is there. */
const typeArgument = (node: FieldNode): string | undefined => {
  const found = node.name.value === 'resource' ? node.arguments?.find(({ name }) => name.value === 'type') : undefined;
  return found && print(found.value);
};

export interface Partition {
  types: readonly string[];
  nodes: FieldNode[];
}

/** The occurrences of one key by the types that have the same ones of them. */
export function partitions(types: readonly string[], all: readonly Occurrence[]): Partition[] {
  if (all.every((one) => one.types === types)) return [{ types, nodes: all.map(({ node }) => node) }];
  const groups = Map.groupBy(types, (type) => all.flatMap((one, i) => (one.types.includes(type) ? [i] : [])).join(' '));
  return [...groups]
    .filter(([indexes]) => indexes !== '')
    .map(([indexes, some]) => ({ types: some, nodes: indexes.split(' ').map((i) => all[Number(i)]!.node) }));
}

export function variantsOf(nodes: readonly FieldNode[]): FieldNode[][] {
  const variants = [...Map.groupBy(nodes, signature).values()];
  const [first] = nodes;
  const wanted = new Set(variants.map(([node]) => typeArgument(node!)));
  const exclusive = wanted.size === variants.length && !wanted.has(undefined);
  if (variants.length === 1 || exclusive) return variants;
  const key = first!.alias?.value ?? first!.name.value;
  throw fault('invalid', `'${key}' stands for two different fields: give one of them an alias`, variants[1]![0]!);
}

export interface Argued {
  node: ArgumentNode;
  given: Given;
}

/** The arguments that have a value. */
export function argumentsOf(context: Context, field: FieldNode): Argued[] {
  const names = new Set<string>();
  return (field.arguments ?? []).flatMap((node) => {
    const name = node.name.value;
    if (names.has(name)) throw fault('invalid', `The argument '${name}' is given twice`, node, name);
    names.add(name);
    const given = givenTo(context, node);
    return given === undefined ? [] : [{ node, given }];
  });
}
