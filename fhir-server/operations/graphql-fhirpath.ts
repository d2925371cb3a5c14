// FHIRPath in a query: https://hl7.org/fhir/R4/graphql.html#list and #flattening (@slice). The expressions come from
// clients, so only what navigates, filters and compares is evaluated: nothing that fetches, repeats, builds or matches patterns.
import { type Json, withoutObjectWords } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import { FUNCTIONS, NODES, nestingOf } from '../patch/locate.ts';

const CHARACTERS_MAX = 1000;
/** Of all expressions of a query, each index counting as 50 more: parsing takes up to 30 µs for each. */
const PARSING_MAX = 200_000;
const INDEX_CHARACTERS = 50;
/** Parsing takes time with each level. */
const NESTING_MAX = 10;

const MORE_NODES = ['IndexInvocation', 'UnionExpression', 'MembershipExpression', 'AdditiveExpression'];
const nodes = new Set([...NODES, ...MORE_NODES]);

const MORE_FUNCTIONS = ['all', 'select', 'iif', 'length', 'indexOf', 'substring', 'toString', 'toInteger', 'toDecimal'];
const functions = new Set([...FUNCTIONS, ...MORE_FUNCTIONS, 'today', 'now', 'trim']);

/** Each may double a text that `select` hands on. */
const ADDITIONS_MAX = 3;

/** Each may double a collection that `select` hands on: `.select('a' | 'b')` thirty times makes a billion. */
const UNIONS_MAX = 3;

/** What a list of codes is written with, `use in ('usual' | 'official')`: as long as it is, whatever the element has. */
const LIST_NODES = new Set(['UnionExpression', 'ParenthesizedTerm', 'TermExpression', 'LiteralTerm', 'StringLiteral']);

interface Node {
  type: string;
  text?: string;
  start?: { line: number; column: number };
  length?: number;
  children?: Node[];
}

interface Library {
  parse(expression: string): Node;
  compile(path: { base: string; expression: string }, model: unknown, options: object): Compiled;
}

type Compiled = (data: unknown, environment: Record<string, unknown>) => unknown[];

/**
 * An expression of the query: what it yields for an element of that type (`Patient.contact`, `HumanName`), which is plain
 * JSON: the engine takes the texts of decimals for objects.
 */
export interface PathTest {
  /** https://hl7.org/fhirpath/#singleton-evaluation-of-collections: nothing is false, anything but `false` is true. */
  holds(type: string, plain: Json, index: number): boolean;
  /** The first value as text; '' for none. */
  text(type: string, plain: Json, index: number): string;
  size: Size;
}

/** Parts of an expression, and what among them has limits of its own; `listed`: the operators of lists of codes. */
interface Size {
  nodes: number;
  additions: number;
  unions: number;
  listed: number;
}

interface Engine {
  library: Library;
  model: unknown;
}

let loading: Promise<Engine> | undefined;

/** Loads fhirpath.js (130 ms, 30 MB) when the first query needs it. */
export function loadFhirPath(): Promise<Engine> {
  loading ??= Promise.all([import('fhirpath'), import('fhirpath/fhir-context/r4')]).then(([library, model]) => ({
    library: library.default as unknown as Library,
    model: model.default,
  }));
  return loading;
}

const wrong = (code: 'invalid' | 'too-costly', text: string): CerebraError =>
  new CerebraError(code, text, { expression: ['fhirpath'] });

const isList = ({ type, children = [] }: Node): boolean => LIST_NODES.has(type) && children.every(isList);

function countUnion(node: Node, count: Size, isSelected: boolean): void {
  if (!isSelected && isList(node)) count.listed++;
  else if (++count.unions > UNIONS_MAX) {
    throw wrong('too-costly', `The FHIRPath of a query may have ${UNIONS_MAX} operators |, lists of texts apart`);
  }
}

/** `isSelected`: within the arguments of `select`. */
function assertSimple(node: Node, count: Size, isSelected = false): void {
  count.nodes++;
  if (!nodes.has(node.type)) throw wrong('invalid', `${node.type} can't be used in the FHIRPath of a query`);
  const name = node.type === 'Functn' ? (node.children?.[0]?.text ?? '') : undefined;
  if (name !== undefined && !functions.has(name)) {
    throw wrong('invalid', `The function ${name.slice(0, 40)}() can't be used in the FHIRPath of a query`);
  }
  if (node.type === 'AdditiveExpression' && ++count.additions > ADDITIONS_MAX) {
    throw wrong('too-costly', `The FHIRPath of a query may have ${ADDITIONS_MAX} operators + - &`);
  }
  if (node.type === 'UnionExpression') countUnion(node, count, isSelected);
  for (const child of node.children ?? []) assertSimple(child, count, isSelected || name === 'select');
}

/** `$index` outside of functions is the place in the list that is filtered, which only we know. */
function outerIndexes(node: Node): Node[] {
  if (node.type === 'IndexInvocation') return [node];
  if (node.type === 'ParamList') return [];
  return (node.children ?? []).flatMap(outerIndexes);
}

function withIndex(path: string, tree: Node): string {
  let text = path;
  for (const { start, length } of outerIndexes(tree).toReversed()) {
    const at = (start?.column ?? 1) - 1;
    text = `${text.slice(0, at)}%index${text.slice(at + (length ?? 6))}`;
  }
  return text;
}

function parsePath({ library }: Engine, given: string): { text: string; size: Size } {
  const path = given.replaceAll(/\s/g, ' ');
  if (path.length > CHARACTERS_MAX || nestingOf(path) > NESTING_MAX) {
    const limits = `${CHARACTERS_MAX} characters and ${NESTING_MAX} nested brackets`;
    throw wrong('too-costly', `The FHIRPath of a query may have ${limits}`);
  }
  let tree: Node;
  try {
    tree = library.parse(path);
  } catch {
    throw wrong('invalid', `'${path.slice(0, 200)}' is not a FHIRPath`);
  }
  const size: Size = { nodes: 0, additions: 0, unions: 0, listed: 0 };
  assertSimple(tree, size);
  return { text: withIndex(path, tree), size };
}

/** Throws `too-costly` for expressions that together take too long to parse. */
export function assertFew(paths: Iterable<string>): void {
  let parsing = 0;
  for (const path of paths) parsing += path.length + INDEX_CHARACTERS * (path.split('[').length - 1);
  if (parsing > PARSING_MAX) throw wrong('too-costly', `The FHIRPaths of a query may have ${PARSING_MAX} characters`);
}

/** A union compares each of its values with each. */
const UNION_PAIRS = 40;

/** In parts of an expression. */
const partsOf = (node: Node, found: unknown): number =>
  node.type === 'UnionExpression' && Array.isArray(found) ? 1 + Math.floor(found.length ** 2 / UNION_PAIRS) : 1;

/**
 * Throws `invalid` for what is no FHIRPath or uses more than is evaluated, `too-costly` beyond a limit. `spend` is told of
 * what is evaluated while it is, and may end it by throwing.
 */
export function compilePath(engine: Engine, given: string, spend: (parts: number) => void): PathTest {
  const { text, size } = parsePath(engine, given);
  const expression = withoutObjectWords(text);
  const byType = new Map<string, Compiled>();
  // Called after each node, the only place where what a criterion does for each item can be counted.
  const count = (_context: unknown, _input: unknown, found: unknown, node: Node): void => spend(partsOf(node, found));
  const options = { resolveInternalTypes: true, debugger: count };
  const compiled = (type: string): Compiled => {
    const found = byType.get(type) ?? engine.library.compile({ base: type, expression }, engine.model, options);
    byType.set(type, found);
    return found;
  };
  const run = (type: string, plain: Json, index: number): unknown[] => {
    try {
      return compiled(type)(plain, { index });
    } catch (cause) {
      if (isCerebraError(cause)) throw cause;
      const what = `'${given.slice(0, 200)}' can't be evaluated on a ${type}`;
      throw new CerebraError('invalid', what, { expression: ['fhirpath'], cause });
    }
  };
  return {
    size,
    holds(type, plain, index) {
      const found = run(type, plain, index);
      return found.length === 1 ? found[0] !== false : found.length > 0;
    },
    text(type, plain, index) {
      const [first] = run(type, plain, index);
      return first === undefined || first === null ? '' : String(first);
    },
  };
}
