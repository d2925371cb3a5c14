// A stored CodeSystem as its codes and what subsumes what: https://hl7.org/fhir/R4/codesystem.html
import type { JsonObject, Resource } from '#fhir-model';
import { CerebraError } from '#platform';

export interface Concept {
  code: string;
  display?: string;
  properties: { code: string; value: string }[];
}

export interface CodeSystemIndex {
  url: string;
  /** Whether all codes are in the resource. */
  complete: boolean;
  concepts: ReadonlyMap<string, Concept>;
  parents: ReadonlyMap<string, readonly string[]>;
  children: ReadonlyMap<string, readonly string[]>;
}

const asArray = (value: unknown): JsonObject[] =>
  Array.isArray(value) ? value.filter((each): each is JsonObject => typeof each === 'object' && each !== null) : [];
const asText = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Properties by which systems without nested concepts say what is above a code, and what below. */
const PARENT = new Set(['parent', 'subsumedBy']);
const CHILD = new Set(['child']);

const push = (map: Map<string, string[]>, key: string, value: string): void => {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else if (!known.includes(value)) known.push(value);
};

function propertiesOf(concept: JsonObject): Concept['properties'] {
  return asArray(concept.property).map((property) => {
    const name = Object.keys(property).find((key) => key.startsWith('value'));
    const value = name === undefined ? '' : property[name];
    const coded =
      typeof value === 'object' && value !== null ? asText((value as JsonObject).code) : String(value ?? '');
    return { code: asText(property.code), value: coded };
  });
}

/** Without recursion: concepts may be nested as deep as JSON may. */
export function indexCodeSystem(resource: Resource): CodeSystemIndex {
  const concepts = new Map<string, Concept>();
  const parents = new Map<string, string[]>();
  const children = new Map<string, string[]>();
  const link = (parent: string, child: string): void => {
    push(parents, child, parent);
    push(children, parent, child);
  };
  const nested = resource.hierarchyMeaning === undefined || resource.hierarchyMeaning === 'is-a';
  const work: { concept: JsonObject; parent: string }[] = asArray(resource.concept).map((concept) => ({
    concept,
    parent: '',
  }));
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    const { concept, parent } = next;
    const code = asText(concept.code);
    if (code === '') continue;
    const properties = propertiesOf(concept);
    const display = asText(concept.display);
    concepts.set(code, { code, properties, ...(display !== '' && { display }) });
    if (parent !== '' && nested) link(parent, code);
    for (const property of properties) {
      if (PARENT.has(property.code)) link(property.value, code);
      else if (CHILD.has(property.code)) link(code, property.value);
    }
    for (const child of asArray(concept.concept)) work.push({ concept: child, parent: code });
  }
  return { url: asText(resource.url), complete: resource.content === 'complete', concepts, parents, children };
}

/** All that the links lead to from the code, itself included; cycles end where they began. */
function reach(links: ReadonlyMap<string, readonly string[]>, from: string): Set<string> {
  const found = new Set([from]);
  for (const code of found) for (const next of links.get(code) ?? []) found.add(next);
  return found;
}

/** Throws `invalid-parameter` for a code that the system does not have. */
export function related(system: CodeSystemIndex, code: string, direction: 'above' | 'below'): Set<string> {
  if (!system.concepts.has(code)) {
    throw new CerebraError(
      'invalid-parameter',
      `The code system '${system.url}' stored here has no code '${code.slice(0, 80)}'`,
    );
  }
  return reach(direction === 'below' ? system.children : system.parents, code);
}
