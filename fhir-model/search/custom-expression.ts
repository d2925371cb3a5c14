// SearchParameter.expression of a parameter that a server adds to R4's: checked against the definitions of the elements,
// and put into the words that the extractor knows. https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression
import type { Definitions, ElementDefinition } from '../definitions.ts';
import { type Path, parseExpression, type Step } from './expression.ts';
import { CHOICE_SUFFIXES } from './extract.ts';
import { fhirpathFault } from './fhirpath-rules.ts';
import { expressionCharactersMax } from './search-limits.ts';
import type { SearchParamType } from './types.ts';

/** The datatypes that a parameter of that type has values of: https://hl7.org/fhir/R4/search.html#ptypes */
const INDEXED: Record<Exclude<SearchParamType, 'composite' | 'special'>, readonly string[]> = {
  number: ['decimal', 'integer', 'positiveInt', 'unsignedInt', 'Range'],
  date: ['date', 'dateTime', 'instant', 'Period', 'Timing'],
  string: ['string', 'markdown', 'code', 'id', 'HumanName', 'Address'],
  token: ['code', 'Coding', 'CodeableConcept', 'Identifier', 'ContactPoint', 'boolean', 'string', 'id', 'uri'],
  reference: ['Reference', 'canonical', 'uri', 'Resource'],
  quantity: ['Quantity', 'Range', 'Money', 'Age', 'Duration', 'Count', 'Distance', 'SampledData'],
  uri: ['uri', 'url', 'canonical', 'oid', 'uuid'],
};

/** `fhirpath`: the extractor can't follow it, a whole engine can. */
export type CheckedExpression = { expression: string; fhirpath?: true } | { fault: string };

/** Steps looked at in all alternatives of an expression: choices within choices multiply. */
const STEPS_MAX = 5000;
/** Paths that an expression may come to, each of them some look-ups in every resource of the type. */
const PATHS_MAX = 100;

class Fault extends Error {}
/** Only a whole FHIRPath engine can follow the path. */
class Beyond extends Error {}

interface Place {
  path: Path;
  types: readonly string[];
}

const elementOf = (definitions: Definitions, type: string, name: string): ElementDefinition | undefined =>
  definitions.type(type)?.elements.find((each) => each.name === name);

const isPrimitive = (definitions: Definitions, type: string): boolean => definitions.type(type)?.kind === 'primitive';

const listed = (types: readonly string[]): string => types.slice(0, 3).join(', ');

const isServers = ({ path, types }: Place, name: string): boolean =>
  (path.length === 0 && name === 'id') || (types.includes('Meta') && (name === 'versionId' || name === 'lastUpdated'));

/** What is derived from a type is of that type too: https://hl7.org/fhirpath/N1/#oftypetype-type-specifier--collection */
function isOf(definitions: Definitions, type: string | undefined, narrowed: string): boolean {
  return type === narrowed || (type !== undefined && isOf(definitions, definitions.type(type)?.base, narrowed));
}

/** `valueAge` is `value.ofType(Quantity)`, as `valueCode` is `value.ofType(string)`. */
function narrowedPlaces(definitions: Definitions, at: Place, name: string, narrowed: string): Place[] {
  const element = at.types.map((type) => elementOf(definitions, type, name)).find((found) => found?.choice);
  const types = element?.types.filter((type) => isOf(definitions, type, narrowed)) ?? [];
  const all = types.length > 0 ? types : [narrowed];
  return all.flatMap((type) => childPlaces(definitions, at, name, type));
}

function childPlaces(definitions: Definitions, at: Place, name: string, narrowed: string | undefined): Place[] {
  // When a resource is indexed it does not have them yet.
  if (isServers(at, name))
    throw new Fault(`'${name}' is given by the server: use _id, _lastUpdated, or the version's URL`);
  // JSON has the extensions of primitives elsewhere; what is contained may be of any type.
  if (at.types.some((type) => type === 'Resource' || isPrimitive(definitions, type))) throw new Beyond();
  const found = at.types.flatMap((type) => elementOf(definitions, type, name) ?? []);
  const [element] = found;
  if (element === undefined) throw new Fault(`${listed(at.types)} has no element '${name.slice(0, 40)}'`);
  const child: Step = { kind: 'child', name };
  if (narrowed === undefined) return [{ path: [...at.path, child], types: found.flatMap(({ types }) => types) }];
  if (element.types.includes('Resource')) throw new Beyond();
  if (!found.some(({ types }) => types.includes(narrowed))) {
    throw new Fault(`'${name}' is never a ${narrowed.slice(0, 40)}`);
  }
  const type: Step[] = element.choice ? [{ kind: 'type', type: narrowed }] : [];
  return [{ path: [...at.path, child, ...type], types: [narrowed] }];
}

const isChoice = (definitions: Definitions, { types }: Place, name: string): boolean =>
  types.some((type) => elementOf(definitions, type, name)?.choice ?? false);

/** A choice in the midst of a path, as one path for each of its types that the rest of it can go on from. */
function expanded(definitions: Definitions, at: Place, name: string, rest: Path, steps: { left: number }): Place[] {
  const [{ types = [] } = {}] = childPlaces(definitions, at, name, undefined);
  let fault: unknown;
  const places = types.flatMap((type) => {
    try {
      return childPlaces(definitions, at, name, type).flatMap((one) => follow(definitions, one, rest, steps));
    } catch (error) {
      if (steps.left < 0) throw error;
      fault ??= error;
      return [];
    }
  });
  if (places.length === 0) throw fault;
  return places;
}

function filteredPlace(definitions: Definitions, at: Place, step: Exclude<Step, { kind: 'child' }>): Place {
  if (step.kind === 'type') {
    if (at.types.includes('Resource') || at.types.length > 1) throw new Beyond();
    if (at.types.includes(step.type)) return at;
    throw new Fault(`${listed(at.types)} is never a ${step.type.slice(0, 40)}`);
  }
  if (step.kind === 'equals') {
    const known = at.types.some((type) => elementOf(definitions, type, step.name) !== undefined);
    if (!known) throw new Fault(`${listed(at.types)} has no element '${step.name.slice(0, 40)}'`);
  }
  if (step.kind === 'refersTo' && !definitions.isResourceType(step.type)) {
    throw new Fault(`'${step.type.slice(0, 40)}' is no resource type`);
  }
  return { ...at, path: [...at.path, step] };
}

/** Where the path leads from `at`; throws Fault, and Beyond. */
function follow(definitions: Definitions, at: Place, path: Path, steps: { left: number }): Place[] {
  if (--steps.left < 0) throw new Fault('it has too many alternatives: say of which types the values are');
  const [step, next] = path;
  if (step === undefined) return [at];
  if (step.kind !== 'child') return follow(definitions, filteredPlace(definitions, at, step), path.slice(1), steps);
  const rest = path.slice(1);
  if (next?.kind === 'type') {
    return narrowedPlaces(definitions, at, step.name, next.type).flatMap((one) =>
      follow(definitions, one, rest.slice(1), steps),
    );
  }
  const isInside = rest.some(({ kind }) => kind === 'child');
  if (isInside && isChoice(definitions, at, step.name)) return expanded(definitions, at, step.name, rest, steps);
  return childPlaces(definitions, at, step.name, undefined).flatMap((one) => follow(definitions, one, rest, steps));
}

function stepText(step: Step): string {
  switch (step.kind) {
    case 'child':
      return `.${step.name}`;
    case 'type':
      return `.ofType(${step.type})`;
    case 'equals':
      return `.where(${step.name} = '${step.value}')`;
    case 'refersTo':
      return `.where(resolve() is ${step.type})`;
    default:
      return `[${step.index}]`;
  }
}

const pathText = (resourceType: string, path: Path): string => resourceType + path.map(stepText).join('');

/** Of a choice at the end of a path the extractor looks for these types. */
function isIndexed(definitions: Definitions, paramType: keyof typeof INDEXED, { path, types }: Place): boolean {
  const last = path.at(-1);
  const end = last?.kind === 'child' && types.length > 1 ? CHOICE_SUFFIXES[paramType] : undefined;
  const suffixes = new Set(end?.map((suffix) => suffix.toLowerCase()));
  return types.some((type) => {
    const base = definitions.type(type)?.base;
    const known = INDEXED[paramType].includes(type) || (base !== undefined && INDEXED[paramType].includes(base));
    return known && (end === undefined || suffixes.has(type.toLowerCase()));
  });
}

const asTyped = (type: SearchParamType): keyof typeof INDEXED => type as keyof typeof INDEXED;

function checkPaths(
  definitions: Definitions,
  resourceType: string,
  paramType: SearchParamType,
  paths: readonly Path[],
): CheckedExpression {
  const start: Place = { path: [], types: [resourceType] };
  const steps = { left: STEPS_MAX };
  const places = paths.flatMap((path) => follow(definitions, start, path, steps));
  if (paramType !== 'composite' && !places.some((at) => isIndexed(definitions, asTyped(paramType), at))) {
    const types = [...new Set(places.flatMap(({ types }) => types))];
    return { fault: `it leads to ${listed(types)}, of which a ${paramType} parameter has no values` };
  }
  const found = new Set(places.map(({ path }) => pathText(resourceType, path)));
  if (found.size > PATHS_MAX) return { fault: `it comes to ${found.size} paths, more than ${PATHS_MAX}` };
  return { expression: [...found].join(' | ') };
}

function check(
  definitions: Definitions,
  resourceType: string,
  paramType: SearchParamType,
  expression: string,
): CheckedExpression {
  const parsed = parseExpression(expression);
  if (parsed === undefined) throw new Beyond();
  if (parsed.kind === 'paths') return checkPaths(definitions, resourceType, paramType, parsed.paths);
  if (paramType !== 'token') return { fault: 'it is true or false, which only a token parameter has' };
  const start: Place = { path: [], types: [resourceType] };
  const steps = { left: STEPS_MAX };
  for (const { paths } of parsed.all) for (const path of paths) follow(definitions, start, path, steps);
  return { expression };
}

/** A type named in the midst of a union within parentheses; the compiled subset takes each for the resource itself. */
function foreignRoot(resourceType: string, expression: string): string | undefined {
  const plain = expression.replace(/'(?:[^'\\]|\\.)*'/g, "''");
  const roots = [...plain.matchAll(/(?<![.\w])([A-Z][A-Za-z]+)\./g)].map(([, root]) => root!);
  return roots.find((root) => ![resourceType, 'Resource', 'DomainResource', 'FHIR', 'System'].includes(root));
}

/**
 * The expression on resources of the type as the extractor takes it, or what is wrong with it. Paths that the
 * definitions know are checked element by element; others are left to fhirpath within fhirpathFault's rules.
 */
export function checkExpression(
  definitions: Definitions,
  resourceType: string,
  paramType: SearchParamType,
  expression: string,
): CheckedExpression {
  if (expression.length > expressionCharactersMax) {
    return { fault: `it has more than ${expressionCharactersMax} characters` };
  }
  const foreign = foreignRoot(resourceType, expression);
  if (foreign !== undefined) {
    return { fault: `${foreign.slice(0, 40)} stands where only ${resourceType} can: write a union of whole paths` };
  }
  try {
    return check(definitions, resourceType, paramType, expression);
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    if (!(error instanceof Beyond)) throw error;
    const fault = fhirpathFault(expression);
    return fault === undefined ? { expression, fhirpath: true } : { fault };
  }
}
