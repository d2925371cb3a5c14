// From the text of a query to one operation, its fragments and variables: https://spec.graphql.org/October2021/
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Lexer,
  type OperationDefinitionNode,
  parse,
  Source,
  TokenKind,
  type TypeNode,
  type ValueNode,
  type VariableDefinitionNode,
  visit,
} from 'graphql';
import { decimalText, isNumber, isObject, type Json, type JsonObject } from '#fhir-model';
import { CerebraError } from '#platform';
import { fault, type Located, syntaxFault } from './graphql-faults.ts';
import { jsonOf, type Sent } from './graphql-input.ts';
import { isInputType } from './graphql-types.ts';

/** The longest queries of applications have some 10,000. */
const QUERY_CHARACTERS_MAX = 100_000;
const TOKENS_MAX = 20_000;
/** Brackets of all kinds within each other: the parser calls itself for each. */
const NESTING_MAX = 60;

/** A value of an argument: numbers as they are written, names of enums as text. */
export type Given = string | boolean | null | Given[];

export interface QueryText {
  query: string;
  variables: JsonObject;
  operationName?: string;
}

export interface QueryDocument {
  operation: OperationDefinitionNode;
  fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** What each variable stands for; undefined for one that has neither a value nor a default. */
  variables: Variables;
  /** The same as JSON. */
  sent: Sent;
}

/** An object, which only a resource may be given as. */
const OBJECT = Symbol('object');

type Variables = ReadonlyMap<string, Given | typeof OBJECT | undefined>;

const OPENING = new Set<string>([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const CLOSING = new Set<string>([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

/** Before the parser, which is recursive, sees it. */
function assertShallow(source: Source): void {
  const lexer = new Lexer(source);
  let depth = 0;
  for (let count = 0; lexer.token.kind !== TokenKind.EOF; count++) {
    if (count > TOKENS_MAX) throw new CerebraError('too-costly', `A query may have ${TOKENS_MAX} tokens`);
    const { kind } = lexer.advance();
    if (OPENING.has(kind)) depth++;
    else if (CLOSING.has(kind)) depth--;
    if (depth > NESTING_MAX) {
      throw new CerebraError('too-costly', `A query may have ${NESTING_MAX} nested brackets`, {
        expression: ['query'],
      });
    }
  }
}

function parseText(text: string): DocumentNode {
  if (text.length > QUERY_CHARACTERS_MAX) {
    throw new CerebraError('too-costly', `A query may have ${QUERY_CHARACTERS_MAX} characters`, {
      expression: ['query'],
    });
  }
  try {
    const source = new Source(text);
    assertShallow(source);
    return parse(source);
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    throw syntaxFault(error.message.replace(/^Syntax Error: /, '').slice(0, 300), error.locations?.[0]);
  }
}

function chooseOperation(document: DocumentNode, name: string | undefined): OperationDefinitionNode {
  const all = document.definitions.filter((one) => one.kind === 'OperationDefinition');
  const found = name === undefined ? all : all.filter((one) => one.name?.value === name);
  const [first, more] = found;
  const wrong = (text: string) => new CerebraError('invalid', text, { expression: ['operationName'] });
  if (!first && name !== undefined) throw wrong(`The document has no operation '${name.slice(0, 80)}'`);
  if (!first) throw new CerebraError('invalid', 'The document has no query', { expression: ['query'] });
  if (more) throw wrong('The document has several operations: say in operationName which one is meant');
  if (first.operation !== 'subscription') return first;
  throw fault('unsupported', 'A subscription is not offered: $graphql answers queries and mutations', first);
}

/** Throws for a fragment that leads to itself. */
function assertNoCycles(fragments: ReadonlyMap<string, FragmentDefinitionNode>): void {
  const spreads = new Map<string, Set<string>>();
  for (const [name, fragment] of fragments) {
    const used = new Set<string>();
    visit(fragment, { FragmentSpread: (spread) => void used.add(spread.name.value) });
    spreads.set(name, used);
  }
  const done = new Set<string>();
  const follow = (name: string, way: ReadonlySet<string>): void => {
    if (way.has(name)) throw fault('invalid', `The fragment '${name}' is part of itself`, fragments.get(name)!);
    if (done.has(name)) return;
    for (const next of spreads.get(name) ?? []) follow(next, new Set([...way, name]));
    done.add(name);
  };
  for (const name of fragments.keys()) follow(name, new Set());
}

function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const one of document.definitions) {
    if (one.kind === 'OperationDefinition') continue;
    if (one.kind !== 'FragmentDefinition') throw fault('invalid', 'A query has operations and fragments only', one);
    if (fragments.has(one.name.value)) throw fault('invalid', `Two fragments are named '${one.name.value}'`, one);
    fragments.set(one.name.value, one);
  }
  assertNoCycles(fragments);
  return fragments;
}

/** The JSON of a variable as the value of an argument; undefined for what arguments here never are. */
function givenOf(json: Json | undefined): Given | typeof OBJECT | undefined {
  if (json === null || typeof json === 'string' || typeof json === 'boolean') return json;
  if (isNumber(json)) return decimalText(json);
  if (!Array.isArray(json)) return json && OBJECT;
  const items = json.map(givenOf);
  return items.every((item) => item !== undefined && item !== OBJECT) ? (items as Given[]) : OBJECT;
}

const INTEGER = /^-?\d+$/;
const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** By the name of its type; the primitives of FHIR are text, which numbers and booleans have as well. */
function fits(type: TypeNode, json: Json): boolean {
  if (type.kind === 'NonNullType') return json !== null && fits(type.type, json);
  if (json === null) return true;
  if (type.kind === 'ListType') return (Array.isArray(json) ? json : [json]).every((item) => fits(type.type, item));
  if (Array.isArray(json)) return false;
  const name = type.name.value;
  if (isObject(json)) return isInputType(name);
  if (name === 'Boolean') return typeof json === 'boolean';
  if (name === 'Int') return isNumber(json) && INTEGER.test(decimalText(json));
  if (name === 'Float') return isNumber(json) && NUMBER.test(decimalText(json));
  if (name === 'String') return typeof json === 'string';
  return typeof json === 'string' || typeof json === 'boolean' || isNumber(json);
}

function variableOf(definition: VariableDefinitionNode, sent: Json | undefined): Json | undefined {
  const name = definition.variable.name.value;
  const { defaultValue } = definition;
  const json = sent === undefined && defaultValue ? jsonOf(defaultValue, new Map()) : sent;
  if (json === undefined) {
    if (definition.type.kind !== 'NonNullType') return undefined;
    throw fault('required', `The variable '$${name}' needs a value`, definition, name);
  }
  if (fits(definition.type, json)) return json;
  throw fault('invalid-parameter', `The value of the variable '$${name}' is not of its type`, definition, name);
}

const NO_OBJECT = 'This argument takes no object';

/** The value as it stands in the query; undefined for a variable without a value. Throws for input objects. */
export function argumentValue(node: ValueNode, variables: Variables, of: Located = node): Given | undefined {
  switch (node.kind) {
    case 'Variable': {
      if (!variables.has(node.name.value)) {
        throw fault('invalid', `The variable '$${node.name.value}' is not defined by the operation`, node);
      }
      const given = variables.get(node.name.value);
      if (given === OBJECT) throw fault('invalid-parameter', NO_OBJECT, of);
      return given;
    }
    case 'NullValue':
      return null;
    case 'ListValue':
      return node.values.map((item) => argumentValue(item, variables, of) ?? null);
    case 'ObjectValue':
      throw fault('invalid-parameter', NO_OBJECT, of);
    default:
      return node.value;
  }
}

/** The operation that is asked for. Throws CerebraError, with its place where the fault has one. */
export function readDocument({ query, variables, operationName }: QueryText): QueryDocument {
  const document = parseText(query);
  const fragments = fragmentsOf(document);
  const operation = chooseOperation(document, operationName);
  const sent = new Map<string, Json | undefined>();
  for (const definition of operation.variableDefinitions ?? []) {
    const name = definition.variable.name.value;
    if (sent.has(name)) throw fault('invalid', `Two variables are named '$${name}'`, definition);
    sent.set(name, variableOf(definition, Object.hasOwn(variables, name) ? variables[name] : undefined));
  }
  const values = new Map([...sent].map(([name, json]) => [name, givenOf(json)] as const));
  return { operation, fragments, variables: values, sent };
}
