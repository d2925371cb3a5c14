// Where a row's value goes: `name[]`, `period.start`, `contact[0].name`, `_birthDate.extension[url].valueDateTime`,
// `participant[].individual & type[0] = $attender`.
import type { Json, JsonObject } from '#fhir-model';
import { readElementPath } from '../../element-path.ts';

type Place = { kind: 'one' } | { kind: 'append' } | { kind: 'index'; index: number } | { kind: 'url'; url: string };

interface Step {
  name: string;
  place: Place;
}

interface Companion {
  steps: readonly Step[];
  value: Json;
}

export interface Target {
  /** Every repetition of the source has a place. */
  readonly appends: boolean;
  /** What `""` in the source removes: the element, or one extension of it by its url. */
  readonly cleared: string;
  /** First come: what a plain element has already, stays. Yields whether it took the value. */
  set(root: JsonObject, value: Json): boolean;
}

/** Throws SyntaxError. */
export function parsePath(text: string): Step[] {
  const steps = readElementPath(text).map(({ name, inside }): Step => ({ name, place: placeOf(inside) }));
  if (steps.length === 0) throw new SyntaxError('no element');
  return steps;
}

function placeOf(inside: string | undefined): Place {
  if (inside === undefined) return { kind: 'one' };
  if (inside === '') return { kind: 'append' };
  return /^\d+$/.test(inside) ? { kind: 'index', index: Number(inside) } : { kind: 'url', url: inside };
}

/** `path & path = "text" & path = $constant`; throws SyntaxError. The second and later are set in the same item as the first. */
export function compileTarget(text: string, constants: Readonly<Record<string, Json>>): Target {
  const [path = '', ...others] = text.split(/\s+&\s+/);
  const steps = parsePath(path.trim());
  const companions = others.map((other) => companion(other, constants));
  const item = steps.findLastIndex(({ place }) => place.kind !== 'one');
  // Companions stand in the item of the innermost list, or beside a plain element.
  const itemAt = item < 0 ? steps.length - 1 : item + 1;
  return {
    appends: steps.some(({ place }) => place.kind === 'append'),
    cleared: clearedPath(steps),
    set(root, value) {
      let at = root;
      const before = itemAt >= steps.length ? steps.length - 1 : itemAt;
      for (let index = 0; index < before; index++) at = into(at, steps[index]!);
      const beside = at;
      for (let index = before; index < steps.length - 1; index++) at = into(at, steps[index]!);
      const taken = put(at, steps.at(-1)!, value);
      if (taken && companions.length > 0) {
        accompany(itemAt >= steps.length ? (value as JsonObject) : beside, companions);
      }
      return taken;
    },
  };
}

function companion(text: string, constants: Readonly<Record<string, Json>>): Companion {
  const match = /^(\S+)\s*=\s*(?:"([^"]*)"|\$(\w+))$/.exec(text.trim());
  const constant = match?.[3] === undefined ? match?.[2] : constants[match[3]];
  if (!match || constant === undefined) throw new SyntaxError(`"& ${text}"`);
  return { steps: parsePath(match[1]!), value: constant };
}

function accompany(item: JsonObject, companions: readonly Companion[]): void {
  for (const { steps, value } of companions) {
    let at = item;
    for (let index = 0; index < steps.length - 1; index++) at = into(at, steps[index]!);
    put(at, steps.at(-1)!, value);
  }
}

function clearedPath(steps: readonly Step[]): string {
  const end = steps.findIndex(({ place }) => place.kind !== 'one');
  const shown = end < 0 ? steps : steps.slice(0, end + 1);
  return shown.map(({ name, place }) => (place.kind === 'url' ? `${name}[url=${place.url}]` : name)).join('.');
}

/** The object that a step leads to, made where it is not there. */
function into(container: JsonObject, { name, place }: Step): JsonObject {
  if (place.kind === 'one') {
    const there = container[name] as JsonObject | undefined;
    if (there !== undefined) return there;
    const made: JsonObject = {};
    container[name] = made;
    return made;
  }
  const list = listOf(container, name);
  const found =
    place.kind === 'index'
      ? list[place.index]
      : place.kind === 'url'
        ? list.find((item) => item.url === place.url)
        : undefined;
  if (found !== undefined) return found;
  const made: JsonObject = place.kind === 'url' ? { url: place.url } : {};
  list.push(made);
  return made;
}

function listOf(container: JsonObject, name: string): JsonObject[] {
  const there = container[name] as JsonObject[] | undefined;
  if (there !== undefined) return there;
  const made: JsonObject[] = [];
  container[name] = made;
  return made;
}

function put(container: JsonObject, { name, place }: Step, value: Json): boolean {
  if (place.kind === 'one') {
    if (container[name] !== undefined) return false;
    container[name] = value;
    return true;
  }
  const list = listOf(container, name) as Json[];
  if (place.kind === 'index' && list[place.index] !== undefined) return false;
  list.push(value);
  return true;
}
