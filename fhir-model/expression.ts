// FHIRPath with variables, for conditions that clients write: %current and %previous of SubscriptionTopics
// (https://hl7.org/fhir/R5/subscriptiontopic-definitions.html#SubscriptionTopic.resourceTrigger.fhirPathCriteria), conditions of
// PlanDefinitions. Evaluated by fhirpath.js, which has no bound of time: what looks beyond what it is given, or is bound to take long,
// is refused when it is compiled, and what may take long is evaluated under a watch (in-time.ts).
import { createRequire } from 'node:module';
import { CerebraError, isCerebraError } from '#platform';
import { copyOf, forLibrary } from './fhirpath-library.ts';
import { inTime } from './in-time.ts';
import type { Json } from './types.ts';

interface SyntaxNode {
  type: string;
  text?: string;
  children?: SyntaxNode[];
}
type Evaluate = (data: unknown, variables: Record<string, unknown>) => unknown[];
interface Library {
  parse(expression: string): SyntaxNode;
  compile(expression: string, model: unknown, options: object): Evaluate;
}

const require = createRequire(import.meta.url);

const charactersMax = 2_000;
/** fhirpath's parser takes half a second for 800 parentheses within each other. */
const bracketsMax = 20;
const nodesMax = 500;
/** Of functions in the parameters of functions: each level may look at all elements again. */
const nestingMax = 4;

/** Without regular expressions, endless walks, products and what asks a server. */
const functions = new Set(
  [
    'abs aggregate all allFalse allTrue anyFalse anyTrue as ceiling children combine contains convertsToBoolean convertsToDate',
    'convertsToDateTime convertsToDecimal convertsToInteger convertsToQuantity convertsToString convertsToTime count distinct',
    'empty endsWith exclude exists extension first floor getValue hasValue iif indexOf intersect is isDistinct join last length',
    'lower not now ofType round select single skip startsWith subsetOf substring supersetOf tail take timeOfDay toBoolean',
    'toDate toDateTime toDecimal toInteger toQuantity toString toTime today trace trim truncate union upper where',
  ].flatMap((line) => line.split(' ')),
);
/** These make lists that grow with the product of what they are given; one of each is enough for a condition. */
const growing = new Set(['aggregate', 'children', 'combine', 'union']);
const growingMax = 4;

/** A compiled expression. */
export interface FhirPath {
  /**
   * The values for `focus` (undefined: none), with `variables` by name without the `%`; an undefined one is the empty
   * collection. Some 30 µs for each element looked at. Throws CerebraError `invalid` where it can't be evaluated on this, `too-costly`
   * where that takes more than a second.
   */
  values(focus: Json | undefined, variables?: Readonly<Record<string, Json | undefined>>): Json[];
  /** As a condition: one boolean is itself, any other value is true, nothing is undefined. http://hl7.org/fhirpath/#singleton-evaluation-of-collections */
  holds(focus: Json | undefined, variables?: Readonly<Record<string, Json | undefined>>): boolean | undefined;
}

/** What is wrong with the expression; undefined if it can be compiled. `variables`: those that will be given. */
export function fhirPathProblem(expression: string, variables: readonly string[] = []): string | undefined {
  if (expression.length > charactersMax) return `it is longer than ${charactersMax} characters`;
  if ((expression.match(/[([{]/g)?.length ?? 0) > nodesMax || depthOf(expression) > bracketsMax) {
    return `brackets are nested more than ${bracketsMax} deep`;
  }
  let tree: SyntaxNode;
  try {
    tree = library().parse(forLibrary(expression));
  } catch {
    return 'it is no FHIRPath';
  }
  return faultAt(tree, 0, {
    nodes: 0,
    growing: 0,
    variables: new Set(['context', 'ucum', 'sct', 'loinc', ...variables]),
  });
}

const kept = new Map<string, FhirPath>();
const keptMax = 5_000;

/** Throws CerebraError `invalid` that says what is wrong. Kept: the same expression is compiled once. */
export function compileFhirPath(expression: string, variables: readonly string[] = []): FhirPath {
  const key = `${variables.join()}|${expression}`;
  const known = kept.get(key);
  if (known) return known;
  const problem = fhirPathProblem(expression, variables);
  if (problem !== undefined) throw new CerebraError('invalid', `'${expression.slice(0, 200)}': ${problem}`);
  const compiled = compile(expression, variables);
  if (kept.size >= keptMax) kept.clear();
  kept.set(key, compiled);
  return compiled;
}

function compile(expression: string, names: readonly string[]): FhirPath {
  // It would print what trace() is given.
  const options = { resolveInternalTypes: true, traceFn: () => {} };
  const evaluate = library().compile(forLibrary(expression), require('fhirpath/fhir-context/r4'), options);
  const bounded = inTime(expression);
  const values: FhirPath['values'] = (focus, variables = {}) => {
    // A variable that is not there is an error to it; one of no items is not.
    const given = Object.fromEntries(names.map((name) => [name, copyOf(variables[name]) ?? []]));
    try {
      return bounded(() => evaluate(copyOf(focus) ?? [], given) as Json[], [focus, given]);
    } catch (cause) {
      if (isCerebraError(cause)) throw cause;
      const text = `'${expression.slice(0, 200)}' can't be evaluated on this resource`;
      throw new CerebraError('invalid', text, { cause });
    }
  };
  return {
    values,
    holds(focus, variables) {
      const found = values(focus, variables);
      if (found.length === 0) return undefined;
      return found.length === 1 && typeof found[0] === 'boolean' ? found[0] : true;
    },
  };
}

function depthOf(expression: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of expression) {
    if ('([{'.includes(character)) deepest = Math.max(deepest, ++depth);
    else if (')]}'.includes(character)) depth--;
  }
  return deepest;
}

interface Counted {
  nodes: number;
  growing: number;
  variables: ReadonlySet<string>;
}

function faultAt(node: SyntaxNode, nesting: number, counted: Counted): string | undefined {
  if (++counted.nodes > nodesMax) return `it has more than ${nodesMax} parts`;
  if (node.type === 'ExternalConstant') {
    const name = variableOf(node);
    if (!counted.variables.has(name)) return `there is no variable %${name.slice(0, 40)}`;
  }
  let inside = nesting;
  if (node.type === 'Functn') {
    const name = node.children?.[0]?.text ?? node.text ?? '';
    if (!functions.has(name)) return `the function ${name.slice(0, 40)}() can't be used`;
    if (growing.has(name) && ++counted.growing > growingMax) return `${name}() and its like are used too often`;
    if (++inside > nestingMax) return `functions are nested more than ${nestingMax} deep`;
  }
  for (const child of node.children ?? []) {
    const fault = faultAt(child, child.type === 'ParamList' ? inside : nesting, counted);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const variableOf = ({ children }: SyntaxNode): string => (children?.[0]?.text ?? '').replace(/^[`']|[`']$/g, '').trim();

/** Loaded at first need: 40 MB and 150 ms. */
const library = (): Library => require('fhirpath') as Library;
