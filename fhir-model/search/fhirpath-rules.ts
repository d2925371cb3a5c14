// What of FHIRPath (http://hl7.org/fhirpath/N1/) a custom SearchParameter.expression may use where the compiled subset
// can't say it: what looks at the resource alone, gives the same values at any time, and takes time in proportion to it.
import { createRequire } from 'node:module';

interface SyntaxNode {
  type: string;
  text?: string;
  children?: SyntaxNode[];
}

const require = createRequire(import.meta.url);

/**
 * By how many parameters they take. Without regular expressions (matches), endless walks (repeat, descendants), products (combine),
 * clocks and look-ups.
 */
const FUNCTIONS: ReadonlyMap<string, readonly [min: number, max: number]> = new Map(
  (
    [
      [
        0,
        0,
        'allTrue anyTrue allFalse anyFalse convertsToInteger convertsToDecimal count empty first getValue hasValue',
      ],
      [0, 0, 'isDistinct last length lower not single tail toDecimal toInteger toString trim upper'],
      [0, 1, 'exists'],
      [1, 1, 'all as contains endsWith extension indexOf is ofType select skip startsWith take where'],
      [1, 2, 'substring'],
      [2, 2, 'replace'],
      [2, 3, 'iif'],
    ] as const
  ).flatMap(([min, max, names]) => names.split(' ').map((name) => [name, [min, max]] as const)),
);

/** Kinds of syntax that are refused, with what they are called. */
const REFUSED: Record<string, string> = {
  ExternalConstant: 'variables (%…)',
  TotalInvocation: '$total',
  InstanceSelector: 'instance selectors',
};

/** What the server gives a resource, after it was indexed. */
const SERVERS = new Set(['id', 'versionId', 'lastUpdated']);

/** fhirpath's parser takes half a second for 800 parentheses within each other. */
const DEPTH_MAX = 20;

function depthOf(expression: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of expression) {
    if (character === '(' || character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if (character === ')' || character === ']' || character === '}') depth--;
  }
  return deepest;
}

const NODES_MAX = 300;
/** Of functions within the parameters of functions: each level may look at all elements again. */
const NESTING_MAX = 4;

/** Called otherwise it would yield nothing of any resource, and fhirpath would print so of each. */
function arityFault({ text, children = [] }: SyntaxNode, [min, max]: readonly [number, number]): string | undefined {
  const given = children.find(({ type }) => type === 'ParamList')?.children?.length ?? 0;
  if (given >= min && given <= max) return undefined;
  const wanted = min === max ? `${min} parameter${min === 1 ? '' : 's'}` : `${min} or ${max} parameters`;
  return `${text}() takes ${wanted}, not ${given}`;
}

function faultAt(node: SyntaxNode, nesting: number, count: { nodes: number }): string | undefined {
  if (++count.nodes > NODES_MAX) return `it has more than ${NODES_MAX} parts`;
  const refused = REFUSED[node.type];
  if (refused !== undefined) return `${refused} can't be used`;
  if (node.type === 'MemberInvocation' && SERVERS.has(node.text ?? '')) return `'${node.text}' can't be used`;
  let inside = nesting;
  if (node.type === 'Functn') {
    const name = node.text ?? '';
    if (name === 'resolve')
      return 'resolve() can be used as where(resolve() is Type) at the end of a path, not otherwise';
    const arity = FUNCTIONS.get(name);
    if (arity === undefined) return `the function ${name.slice(0, 40)}() can't be used`;
    const fault = arityFault(node, arity);
    if (fault !== undefined) return fault;
    if (++inside > NESTING_MAX) return `functions are nested more than ${NESTING_MAX} deep`;
  }
  for (const child of node.children ?? []) {
    const fault = faultAt(child, inside, count);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Parsing takes fhirpath some 5 ms, and a parameter of all types has one expression. */
const KNOWN_MAX = 1000;
const known = new Map<string, string | undefined>();

/** Why fhirpath can't or shall not evaluate the expression; undefined when it can. */
export function fhirpathFault(expression: string): string | undefined {
  if (known.has(expression)) return known.get(expression);
  if (known.size >= KNOWN_MAX) known.clear();
  const fault = findFault(expression);
  known.set(expression, fault);
  return fault;
}

function findFault(expression: string): string | undefined {
  const depth = depthOf(expression);
  if (depth > DEPTH_MAX) return `its parentheses are nested more than ${DEPTH_MAX} deep`;
  const engine = require('fhirpath') as { parse(text: string): SyntaxNode };
  let syntax: SyntaxNode;
  try {
    syntax = engine.parse(expression);
  } catch (error) {
    // Of `a.%b` the parser makes a tree that it can't read itself: what it says then helps nobody.
    if (error instanceof TypeError) return 'it is no FHIRPath';
    return `it is no FHIRPath: ${(error as Error).message.replace(/\s+/g, ' ').slice(0, 160)}`;
  }
  return faultAt(syntax, 0, { nodes: 0 });
}
