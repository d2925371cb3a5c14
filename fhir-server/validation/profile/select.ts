// The paths of discriminators, evaluated: https://hl7.org/fhir/R4/profiling.html#discriminator ("a restricted FHIRPath")
import type { Json } from '#fhir-model';
import { asArray, choiceName, isObject, objectsOf } from '../json.ts';
import { resolveReference } from './references.ts';
import type { Run } from './run.ts';

/** One value of an element; of a primitive that has only extensions, `companion` alone. */
export interface Item {
  readonly value: Json | undefined;
  readonly companion: Json | undefined;
  /** Where it is known: of a choice, of a resource. */
  readonly type: string | undefined;
  /** In its array. */
  readonly index: number;
}

export type Step =
  | { readonly kind: 'child'; readonly name: string }
  | { readonly kind: 'ofType'; readonly type: string }
  | { readonly kind: 'extension'; readonly url: string }
  | { readonly kind: 'resolve' };

const stepPattern =
  /^(?:\$this|(?<name>[A-Za-z_]\w*)(?:\[x\])?(?!\()|(?:ofType|as)\((?<type>[\w.]+)\)|extension\('(?<url>[^']*)'\)|(?<resolve>resolve\(\)))(?:\.|$)/;

/** The steps of a discriminator's path; undefined for a path that isn't of the restricted language. */
export function stepsOf(path: string): Step[] | undefined {
  const steps: Step[] = [];
  let rest = path.trim();
  while (rest !== '') {
    const match = stepPattern.exec(rest);
    if (match === null) return undefined;
    const { name, type, url, resolve } = match.groups ?? {};
    if (name !== undefined) steps.push({ kind: 'child', name });
    else if (type !== undefined) steps.push({ kind: 'ofType', type: type.replace(/^FHIR\./, '') });
    else if (url !== undefined) steps.push({ kind: 'extension', url });
    else if (resolve !== undefined) steps.push({ kind: 'resolve' });
    rest = rest.slice(match[0].length);
  }
  return steps;
}

const isTypeName = /^[A-Z]/;

/** The items of a child element, of a choice whichever name it has. */
function children({ value, companion }: Item, name: string): Item[] {
  const owner = isObject(value) ? value : companion;
  if (!isObject(owner)) return [];
  if (owner[name] !== undefined || owner[`_${name}`] !== undefined) {
    return itemsOf(owner[name], owner[`_${name}`], undefined);
  }
  for (const key in owner) {
    const suffix = key.startsWith(name) ? key.slice(name.length) : '';
    if (!isTypeName.test(suffix)) continue;
    const primitive = suffix.charAt(0).toLowerCase() + suffix.slice(1);
    return itemsOf(owner[key], owner[`_${key}`], isObject(owner[key]) ? suffix : primitive);
  }
  return [];
}

const resourceType = (value: Json | undefined): string | undefined =>
  isObject(value) && typeof value.resourceType === 'string' ? value.resourceType : undefined;

/** All that stands at one name: `value` and the `_value` beside it. */
export function itemsOf(value: Json | undefined, companion: Json | undefined, type: string | undefined): Item[] {
  if (!Array.isArray(value) && !Array.isArray(companion)) {
    return [{ value: value ?? undefined, companion, type: type ?? resourceType(value), index: 0 }];
  }
  const [values, companions] = [asArray(value), asArray(companion)];
  return Array.from({ length: Math.max(values.length, companions.length) }, (_, index) => ({
    value: values[index] ?? undefined,
    companion: companions[index] ?? undefined,
    type: type ?? resourceType(values[index]),
    index,
  }));
}

function isOfType({ value, type }: Item, wanted: string): boolean {
  return type === undefined ? resourceType(value) === undefined : type === wanted || type === choiceName('', wanted);
}

function extensions({ value, companion }: Item, url: string): Item[] {
  const owner = isObject(value) ? value : companion;
  const found = isObject(owner) ? objectsOf(owner.extension).filter((extension) => extension.url === url) : [];
  return found.map((extension, index) => ({ value: extension, companion: undefined, type: 'Extension', index }));
}

function target(run: Run, { value }: Item): Item[] {
  const found = resolveReference(run, isObject(value) ? value.reference : value);
  if (found.kind === 'found')
    return [{ value: found.resource, companion: undefined, type: resourceType(found.resource), index: 0 }];
  return found.type === undefined ? [] : [{ value: undefined, companion: undefined, type: found.type, index: 0 }];
}

/** What a path leads to from these items. */
export function select(run: Run, items: readonly Item[], steps: readonly Step[]): readonly Item[] {
  let current = items;
  for (const step of steps) {
    if (step.kind === 'child') current = current.flatMap((item) => children(item, step.name));
    else if (step.kind === 'ofType') current = current.filter((item) => isOfType(item, step.type));
    else if (step.kind === 'extension') current = current.flatMap((item) => extensions(item, step.url));
    else current = current.flatMap((item) => target(run, item));
  }
  return current;
}
