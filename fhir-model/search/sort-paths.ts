// What of a resource's JSON a token or reference parameter is sorted by: https://hl7.org/fhir/R4/search.html#sort
// These values are indexed as hashes, which have no order, so they are read from the resource itself.
import { choiceName } from '../choice-names.ts';
import type { Definitions, ElementDefinition } from '../definitions.ts';
import { type Path, parseExpression, type Step } from './expression.ts';
import type { SearchParam } from './types.ts';

interface Place {
  /** SQL/JSON path, lax: https://www.postgresql.org/docs/current/functions-json.html#FUNCTIONS-SQLJSON-PATH */
  path: string;
  /** Type names of what stands there. */
  types: readonly string[];
  /** Whether it leads to a list as a whole. A step further would lead to what is in it. */
  list?: boolean;
}

/** Where the text of a datatype is that its values are put in order by: of a code the code, of a reference its text. */
const TEXT_OF: Record<string, string> = {
  CodeableConcept: '.coding.code',
  Coding: '.code',
  Identifier: '.value',
  ContactPoint: '.value',
  Quantity: '.code',
  Reference: '.reference',
};

const quoted = (text: string): string => JSON.stringify(text);

function childOf(definitions: Definitions, at: Place, name: string, narrowed: string | undefined): Place[] {
  return at.types.flatMap((type) => {
    const element = definitions.type(type)?.elements.find((each) => each.name === name);
    return element ? placesOf(at, element, narrowed) : [];
  });
}

function placesOf(at: Place, { name, choice, types, array }: ElementDefinition, narrowed: string | undefined): Place[] {
  if (!choice) return [{ path: `${at.path}.${quoted(name)}`, types, list: array }];
  const possible = narrowed === undefined ? types : types.filter((type) => type === narrowed);
  return possible.map((type) => ({
    path: `${at.path}.${quoted(choiceName(name, type))}`,
    types: [type],
  }));
}

function filtered(at: Place, step: Exclude<Step, { kind: 'child' }>): Place {
  switch (step.kind) {
    case 'equals':
      return { types: at.types, path: `${at.path} ? (@.${quoted(step.name)} == ${quoted(step.value)})` };
    case 'refersTo': {
      const refers = `@.reference like_regex ${quoted(`(^|/)${step.type}/[^/]+`)}`;
      // A reference that names a type is of that one, whatever Reference.type says.
      const named = `(exists(@.reference) && @.reference like_regex ${quoted('(^|/)[A-Z][A-Za-z]+/[^/]+')})`;
      return { types: at.types, path: `${at.path} ? (${refers} || (@.type == ${quoted(step.type)} && !${named}))` };
    }
    case 'type':
      return { path: `${at.path} ? (@.resourceType == ${quoted(step.type)})`, types: [step.type] };
    default:
      return { types: at.types, path: `${at.path}[${step.index}]` };
  }
}

/** The places that a path leads to; those that need no text of their own stand for themselves. */
function follow(definitions: Definitions, resourceType: string, path: Path): Place[] {
  let places: Place[] = [{ path: '$', types: [resourceType] }];
  for (let i = 0; i < path.length; i++) {
    const step = path[i]!;
    if (step.kind !== 'child') {
      places = places.map((at) => filtered(at, step));
      continue;
    }
    const next = path[i + 1];
    const narrowed = next?.kind === 'type' ? next.type : undefined;
    const isChoice = (at: Place) =>
      at.types.some((type) => definitions.type(type)?.elements.some((each) => each.name === step.name && each.choice));
    const narrows = narrowed !== undefined && places.some(isChoice);
    places = places.flatMap((at) => childOf(definitions, at, step.name, narrows ? narrowed : undefined));
    if (narrows) i++;
  }
  return places;
}

/** To each value that stands there. */
const each = ({ path, list }: Place): string => (list ? `${path}[*]` : path);

function textPath(definitions: Definitions, place: Place): string[] {
  return place.types.flatMap((type) => {
    const below = TEXT_OF[type];
    if (below !== undefined) return [place.path + below];
    return definitions.type(type)?.kind === 'primitive' ? [each(place)] : [];
  });
}

const TEXT_TYPES = new Set<SearchParam['type']>(['token', 'reference', 'uri']);

function pathsOf(param: SearchParam, definitions: Definitions): string[] | 'boolean' | undefined {
  if (!TEXT_TYPES.has(param.type) || param.fhirpath) return undefined;
  const parsed = parseExpression(param.expression);
  if (parsed?.kind !== 'paths') return parsed && 'boolean';
  const places = parsed.paths.flatMap((path) => follow(definitions, param.resourceType, path));
  const paths = [...new Set(places.flatMap((place) => textPath(definitions, place)))];
  return paths.length > 0 ? paths : undefined;
}

const known = new WeakMap<SearchParam, string[] | 'boolean' | undefined>();

/**
 * SQL/JSON paths to the texts that a token, reference or uri parameter is sorted by; `boolean` where its expression is a
 * statement (`Patient.deceased.exists() and …`); undefined for other types, and where the expression can't be said so.
 */
export function sortPaths(param: SearchParam, definitions: Definitions): string[] | 'boolean' | undefined {
  if (!known.has(param)) known.set(param, pathsOf(param, definitions));
  return known.get(param);
}

function placesWith(type: string, param: SearchParam, definitions: Definitions): Place[] {
  const parsed = parseExpression(param.expression);
  if (parsed?.kind !== 'paths') return [];
  const places = parsed.paths.flatMap((path) => follow(definitions, param.resourceType, path));
  return places.filter(({ types }) => types.includes(type));
}

/** SQL/JSON paths to Reference.display of what a reference parameter reads. */
export const displayPaths = (param: SearchParam, definitions: Definitions): string[] =>
  placesWith('Reference', param, definitions).map(({ path }) => `${path}.display`);

/** SQL/JSON paths to the canonical references that a parameter reads. */
export const canonicalPaths = (param: SearchParam, definitions: Definitions): string[] =>
  placesWith('canonical', param, definitions).map(each);

const knownUrls = new WeakMap<SearchParam, string[]>();

/** The same with those that R4 has as plain URIs: ConceptMap.sourceUri. None of a parameter that is no reference. */
export function urlPaths(param: SearchParam, definitions: Definitions): string[] {
  const known = knownUrls.get(param);
  if (known) return known;
  const uris = placesWith('uri', param, definitions).map(each);
  const paths = param.type === 'reference' ? [...canonicalPaths(param, definitions), ...uris] : [];
  knownUrls.set(param, paths);
  return paths;
}
