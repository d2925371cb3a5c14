// Which elements of a resource a FHIRPath selects: https://hl7.org/fhir/R4/fhirpatch.html. The paths come from clients, so
// only what navigates and filters is evaluated: no functions that fetch, repeat, build or match patterns. What remains
// visits each element a few times at most.
import { type JsonObject, withoutObjectWords } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Step } from './elements.ts';

/** Paths have some 50 characters, with URLs some 200. */
const PATH_CHARACTERS_MAX = 1000;
/** Parsing takes time with each level. */
const NESTING_MAX = 10;

export const NODES = new Set([
  'EntireExpression',
  'TermExpression',
  'InvocationTerm',
  'InvocationExpression',
  'IndexerExpression',
  'ParenthesizedTerm',
  'MemberInvocation',
  'FunctionInvocation',
  'ThisInvocation',
  'Functn',
  'ParamList',
  'Identifier',
  'LiteralTerm',
  'StringLiteral',
  'NumberLiteral',
  'BooleanLiteral',
  'DateLiteral',
  'DateTimeLiteral',
  'TimeLiteral',
  'NullLiteral',
  'QuantityLiteral',
  'Quantity',
  'Unit',
  'DateTimePrecision',
  'PluralDateTimePrecision',
  'PolarityExpression',
  'EqualityExpression',
  'InequalityExpression',
  'AndExpression',
  'OrExpression',
  'ImpliesExpression',
  'TypeExpression',
  'TypeSpecifier',
  'QualifiedIdentifier',
]);

export const FUNCTIONS = new Set([
  'where',
  'first',
  'last',
  'tail',
  'skip',
  'take',
  'single',
  'ofType',
  'as',
  'is',
  'extension',
  'exists',
  'empty',
  'not',
  'hasValue',
  'count',
  'startsWith',
  'endsWith',
  'contains',
  'lower',
  'upper',
]);

interface Node {
  type: string;
  text?: string;
  start?: { line: number; column: number };
  children?: Node[];
}

interface ResourceNode {
  parentResNode: ResourceNode | null;
  propName?: string | null;
  index?: number | null;
}

/** The parts of fhirpath.js that are used. */
interface Library {
  parse(expression: string): Node;
  evaluate(
    data: unknown,
    path: string,
    variables: object,
    model: unknown,
    options: { resolveInternalTypes: false },
  ): unknown[];
}

/** Finds elements by path. */
export interface Locator {
  /** How much work the path is for each element: by the nodes of an expression that filters, else a little. */
  weigh(path: string): number;
  /** The steps to each selected element; throws `invalid` for what is no path, or one that is not evaluated. */
  locate(root: JsonObject, path: string): Step[][];
  /** The path without its last name, and that name; undefined when it ends otherwise. `''` is the resource. */
  split(path: string): { parent: string; name: string } | undefined;
  /** The names that the path follows from the resource on, up to where it goes on otherwise: `(name as HumanName).family` has none. */
  names(path: string): string[];
}

function assertSimple(node: Node, path: string): void {
  const refused = (what: string) =>
    new CerebraError('invalid', `${what} can't be used in the path of a patch: '${path}'`);
  if (!NODES.has(node.type)) throw refused(node.type);
  if (node.type === 'Functn') {
    const name = node.children?.[0]?.text ?? '';
    if (!FUNCTIONS.has(name)) throw refused(`The function ${name.slice(0, 40)}()`);
  }
  for (const child of node.children ?? []) assertSimple(child, path);
}

/** The most brackets open at once; those in strings count too, which harms nobody. */
export function nestingOf(path: string): number {
  let depth = 0;
  let most = 0;
  for (const character of path) {
    if (character === '(' || character === '[') most = Math.max(most, ++depth);
    else if (character === ')' || character === ']') depth--;
  }
  return most;
}

/** What the path takes to be parsed: up to 30 µs a character, an index 500. */
export const parsingOf = (path: string): number => path.length + 50 * (path.split('[').length - 1);

function assertLimits(path: string): void {
  if (path.length <= PATH_CHARACTERS_MAX && nestingOf(path) <= NESTING_MAX) return;
  const limits = `${PATH_CHARACTERS_MAX} characters and ${NESTING_MAX} nested brackets`;
  throw new CerebraError('too-costly', `The path of a patch may have ${limits} at most`);
}

function parse(library: Library, path: string): Node {
  let tree: Node;
  try {
    tree = library.parse(path);
  } catch {
    throw new CerebraError('invalid', `'${path}' is not a FHIRPath`);
  }
  assertSimple(tree, path);
  return tree;
}

const QUOTED_OR_DIV = /'(?:[^'\\]|\\.)*'|`[^`]*`|\.\s*div\b/g;

/**
 * `div` is an operator of FHIRPath and an element of FHIR: as the name of one it needs quotes, which people leave out. The
 * limits come first: to look for the end of quotes that do not end takes time square in their length.
 */
function withQuotedDiv(path: string): string {
  assertLimits(path);
  return path.replaceAll(QUOTED_OR_DIV, (token) => (/div$/.test(token) ? '.`div`' : token));
}

const isNode = (value: unknown): value is ResourceNode =>
  typeof value === 'object' && value !== null && 'parentResNode' in value;

function stepsOf(found: unknown): Step[] {
  const steps: Step[] = [];
  for (let node: unknown = found; isNode(node); node = node.parentResNode) {
    if (node.propName) steps.unshift({ name: node.propName, index: node.index ?? undefined });
  }
  if (steps.length > 0 || isNode(found)) return steps;
  throw new CerebraError('invalid', 'The path must lead to an element, not to a value computed from elements');
}

function evaluate(library: Library, model: unknown, root: JsonObject, path: string): unknown[] {
  try {
    return library.evaluate(root, withoutObjectWords(path), {}, model, { resolveInternalTypes: false });
  } catch (cause) {
    throw new CerebraError('invalid', `'${path}' can't be evaluated on this ${root.resourceType}`, { cause });
  }
}

const nodesOf = (node: Node): number => (node.children ?? []).reduce((sum, child) => sum + nodesOf(child), 1);

/** A path of names and indexes passes most elements over. */
const PLAIN_WEIGHT = 0.2;

const PLAIN = new Set([
  'EntireExpression',
  'TermExpression',
  'InvocationTerm',
  'InvocationExpression',
  'IndexerExpression',
  'ParenthesizedTerm',
  'MemberInvocation',
  'ThisInvocation',
  'Identifier',
  'LiteralTerm',
  'NumberLiteral',
  'TypeExpression',
  'TypeSpecifier',
  'QualifiedIdentifier',
]);

/** A comparison, too, goes through all that it compares. */
const filters = (node: Node): boolean => !PLAIN.has(node.type) || (node.children ?? []).some(filters);

/** The innermost expression: parentheses and wrappers around all of it taken off. */
function unwrap(node: Node): Node {
  const only = node.children?.length === 1 ? node.children[0] : undefined;
  return only && node.type !== 'MemberInvocation' ? unwrap(only) : node;
}

function lastMember(tree: Node): Node | undefined {
  const node = unwrap(tree);
  const last = node.type === 'InvocationExpression' ? node.children?.[1] : node;
  return last?.type === 'MemberInvocation' ? last : undefined;
}

interface Spine {
  names: string[];
  /** Whether all so far are elements of the one before. */
  isOpen: boolean;
}

/** Functions whose result is of the same type as what they select from. */
const SELECTIONS = new Set(['where', 'first', 'last', 'tail', 'skip', 'take', 'single']);

const nameIn = ({ text = '' }: Node): string => text.replaceAll('`', '');

function spineOf(node: Node): Spine {
  const [first, next] = node.children ?? [];
  if (node.type === 'MemberInvocation') return { names: [nameIn(node)], isOpen: true };
  if (node.type === 'ThisInvocation') return { names: [], isOpen: true };
  if (node.type === 'IndexerExpression') return spineOf(first!);
  if (node.type === 'InvocationExpression' && first && next) {
    const before = spineOf(first);
    if (!before.isOpen) return before;
    if (next.type === 'MemberInvocation') return { names: [...before.names, nameIn(next)], isOpen: true };
    return SELECTIONS.has(next.children?.[0]?.text ?? '') ? before : { ...before, isOpen: false };
  }
  const wraps = ['EntireExpression', 'TermExpression', 'InvocationTerm', 'ParenthesizedTerm'].includes(node.type);
  return wraps && first && !next ? spineOf(first) : { names: [], isOpen: false };
}

function createLocator(library: Library, model: unknown): Locator {
  return {
    weigh(path) {
      const tree = parse(library, withQuotedDiv(path));
      return filters(tree) ? nodesOf(tree) : PLAIN_WEIGHT;
    },
    locate(root, given) {
      const path = withQuotedDiv(given);
      return evaluate(library, model, root, path).map(stepsOf);
    },
    split(given) {
      const path = withQuotedDiv(given).replaceAll(/\s/g, ' ');
      const member = lastMember(parse(library, path));
      if (!member?.start || path.endsWith(')')) return undefined;
      const parent = path
        .slice(0, member.start.column - 1)
        .trimEnd()
        .replace(/\.$/, '');
      return { parent, name: nameIn(member) };
    },
    names: (path) => spineOf(parse(library, withQuotedDiv(path))).names,
  };
}

let loading: Promise<Locator> | undefined;

/** Loads fhirpath.js (130 ms, 30 MB) when the first FHIRPath Patch comes. */
export function loadLocator(): Promise<Locator> {
  loading ??= Promise.all([import('fhirpath'), import('fhirpath/fhir-context/r4')]).then(([library, model]) =>
    createLocator(library as unknown as Library, model.default),
  );
  return loading;
}
