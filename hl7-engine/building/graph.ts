// The resources of one message by their references: https://hl7.org/fhir/R4/references.html#contained, bundle.html#references
import { type Json, type JsonObject, objectsOf, type Resource } from '#fhir-model';

export interface Graph {
  /** What a Reference, or the text of one, leads to among the resources that are known. */
  resolve(reference: Json | undefined): Resource | undefined;
  /** All of a type, in the order they were added. */
  all(type: string): Resource[];
}

export interface OpenGraph extends Graph {
  /** Yields the resource with references to what it contains made absolute. `names`: what else it is referred to by. */
  add(resource: Resource, ...names: (string | undefined)[]): Resource;
}

const textOf = (reference: Json | undefined): string | undefined => {
  const found = typeof reference === 'object' && reference !== null ? (reference as JsonObject).reference : reference;
  return typeof found === 'string' ? found : undefined;
};

/** Without the version: `Patient/1/_history/2` is Patient/1 as it is now. */
const current = (reference: string): string => reference.replace(/\/_history\/[^/]+$/, '');

/** `[base]/Patient/1` → `Patient/1`. */
const relative = (reference: string): string =>
  /([A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64})$/.exec(reference)?.[1] ?? reference;

/** `isOurs`: whether an absolute reference is to the server whose resources these are. Else `Patient/1` there is another's. */
export function createGraph(isOurs: (reference: string) => boolean = () => true): OpenGraph {
  const known = new Map<string, Resource>();
  const resources: Resource[] = [];
  const put = (names: (string | undefined)[], resource: Resource): void => {
    resources.push(resource);
    for (const name of names) if (name !== undefined && !known.has(name)) known.set(name, resource);
  };
  return {
    add(resource, ...names) {
      const name = resource.id === undefined ? undefined : `${resource.resourceType}/${resource.id}`;
      const { contained, ...rest } = resource;
      // Of two servers' `Encounter/1` each contains its own `#a`.
      const owner = [name, ...names].find((one) => one !== undefined && !known.has(one)) ?? `#${resources.length}`;
      const whole = Array.isArray(contained) ? (absolute(rest, owner) as Resource) : resource;
      put([name, ...names], whole);
      // What is only converted was checked by nobody: a list may hold anything.
      for (const inner of objectsOf(contained)) {
        put([`${owner}#${inner.id}`], absolute(inner, owner) as Resource);
      }
      return whole;
    },
    resolve(reference) {
      const name = textOf(reference);
      if (name === undefined) return undefined;
      const plain = current(name);
      return known.get(plain) ?? (isOurs(plain) ? known.get(relative(plain)) : undefined);
    },
    all: (type) => resources.filter(({ resourceType }) => resourceType === type),
  };
}

/** `#a` → `Patient/1#a`, wherever it is a reference. */
const absolute = (value: Json, owner: string): Json =>
  withReferences(value, (text) => (text.startsWith('#') ? `${owner}${text}` : text));

/** The text of each reference changed. Numbers kept as their text stay so. */
export function withReferences(value: Json, changed: (text: string) => string): Json {
  if (Array.isArray(value)) return value.map((item) => withReferences(item, changed));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      name === 'reference' && typeof inner === 'string' ? changed(inner) : withReferences(inner!, changed),
    ]),
  );
}
