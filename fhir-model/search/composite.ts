// Composite parameters: https://hl7.org/fhir/R4/search.html#composite
import type { Definitions } from '../definitions.ts';
import { checkExpression } from './custom-expression.ts';
import { splitUnion } from './same-as.ts';
import { isSingle } from './single.ts';
import type { Composite, SearchParam, SearchParamType } from './types.ts';

/** What SearchParameter.component says of one part. */
export interface RawComponent {
  definition?: unknown;
  expression?: unknown;
  /** Of the parameter that `definition` names, where it was looked up already. */
  type?: SearchParamType;
}

/** `(Observation.value as dateTime)`, `Observation.value.ofType(DateTime)` and `Observation.value.as(dateTime)` alike. */
function spelled(path: string): string {
  let plain = path.trim();
  while (plain.startsWith('(') && plain.endsWith(')')) plain = plain.slice(1, -1).trim();
  return plain
    .replace(/ as ([A-Za-z]+)$/, '.as($1)')
    .replace(/\.ofType\(/g, '.as(')
    .toLowerCase();
}

const pathsOf = (expression: string): string[] => splitUnion(expression).map(spelled);

/** Where a part of the composite leads to from one of its elements. */
interface Way {
  part: SearchParam;
  base: string;
  expression: string;
  definitions: Definitions | undefined;
}

/** As the parameters have them: expressions of custom ones name each type that a path may lead to. */
function wantedPaths({ part, base, expression, definitions }: Way): string[] {
  const { custom, fhirpath, resourceType, type } = part;
  return splitUnion(expression).flatMap((path) => {
    const whole = `${base}.${path.trim()}`;
    if (!custom || fhirpath || !definitions) return [spelled(whole)];
    const checked = checkExpression(definitions, resourceType, type, whole);
    return 'expression' in checked ? pathsOf(checked.expression) : [spelled(whole)];
  });
}

/**
 * The parameter that has, on the resource as a whole, the values which `expression` finds on the one element at `base`,
 * and none from the repeating elements at `others`. Of several the one that says least besides.
 */
function paramAt(params: readonly SearchParam[], way: Way, others: readonly string[]): SearchParam | undefined {
  const wanted = wantedPaths(way);
  const fits = (param: SearchParam): boolean => {
    if (param.type !== way.part.type || param.special !== undefined) return false;
    const paths = pathsOf(param.expression);
    const isElsewhere = (path: string) => others.some((other) => path.startsWith(`${other.toLowerCase()}.`));
    return wanted.every((path) => paths.includes(path)) && !paths.some(isElsewhere);
  };
  const found = params.filter(fits).sort((a, b) => pathsOf(a.expression).length - pathsOf(b.expression).length);
  return found[0];
}

interface Parts {
  params: SearchParam[];
  expressions: string[];
}

/**
 * Of DocumentReference.relationship R4 names the parameter of the other part with each expression: the one that has what
 * the expression finds counts. In this order guides have it, `code$reference`; R5, which sets it right, goes by the
 * parameters, `reference$code`, as other servers do: values are read in either (Composite.eitherOrder).
 */
function unswapped({ params, expressions }: Parts, bases: readonly string[]): Parts {
  const has = (param: SearchParam, expression: string) => {
    const paths = pathsOf(param.expression);
    return bases.some((base) => paths.includes(spelled(`${base}.${expression}`)));
  };
  const own = params.map((param, i) => {
    const expression = expressions[i] as string;
    return has(param, expression) ? param : (params.find((other) => has(other, expression)) ?? param);
  });
  return { params: own, expressions };
}

function partsOf(params: readonly SearchParam[], components: readonly RawComponent[]): Parts | undefined {
  const found: Parts = { params: [], expressions: [] };
  for (const { definition, expression } of components) {
    const param = params.find(({ url }) => url !== '' && url === definition);
    if (param === undefined || typeof expression !== 'string') return undefined;
    if (param.type === 'composite' || param.type === 'special') return undefined;
    found.params.push(param);
    found.expressions.push(expression);
  }
  return found.params.length > 1 ? found : undefined;
}

const RESOURCE = '%resource.';

/**
 * What stores can keep of one element: codes, which become part of one key, and beside them one value of another type
 * or two numbers.
 */
function isStorable(params: readonly SearchParam[]): boolean {
  const others = params.filter(({ type }) => type !== 'token');
  return (
    others.length <= 1 || (others.length === 2 && others.every(({ type, ranged }) => type === 'number' && !ranged))
  );
}

/**
 * How the composite parameter `expression` with these components is found in resources of the type; undefined when a part
 * is no parameter of the type or its parts can't be kept together. `params` are all parameters of the type.
 */
export function compositeOf(
  params: readonly SearchParam[],
  { resourceType, expression }: SearchParam,
  components: readonly RawComponent[],
  definitions: Definitions | undefined,
): Composite | undefined {
  const named = partsOf(params, components);
  if (named === undefined) return undefined;
  const bases = splitUnion(expression).map((base) => base.trim());
  const parts = unswapped(named, bases);
  const isOnce = (base: string) =>
    base === resourceType || (definitions !== undefined && isSingle(definitions, resourceType, base));
  const repeating = bases.filter((base) => !isOnce(base));
  const root = bases.filter(isOnce).map((base) => rootParts(params, parts, { base, definitions }, repeating));
  const [first] = root;
  if (root.length > 1 || (root.length === 1 && first === undefined)) return undefined;
  const within = repeating.length > 0 ? withinParts(parts, repeating) : undefined;
  if (repeating.length > 0 && within === undefined) return undefined;
  const isTurned =
    parts.params[0] !== named.params[0] && parts.params.map(({ type }) => type).join() === 'token,reference';
  return {
    parts: parts.params,
    ...(first && { root: first }),
    ...(within && { within }),
    ...(isTurned && { eitherOrder: true as const }),
  };
}

function rootParts(
  params: readonly SearchParam[],
  { params: parts, expressions }: Parts,
  { base, definitions }: Pick<Way, 'base' | 'definitions'>,
  repeating: readonly string[],
): SearchParam[] | undefined {
  const found = parts.map((part, i) => {
    const expression = expressions[i] as string;
    return expression.startsWith(RESOURCE) ? part : paramAt(params, { part, base, expression, definitions }, repeating);
  });
  return found.every((param) => param !== undefined) ? found : undefined;
}

function withinParts(
  { params, expressions }: Parts,
  repeating: readonly string[],
): NonNullable<Composite['within']> | undefined {
  const parts = expressions.map((expression) => (expression.startsWith(RESOURCE) ? undefined : expression));
  const onElement = params.filter((_, i) => parts[i] !== undefined);
  return isStorable(onElement) ? { expression: repeating.join(' | '), parts } : undefined;
}
