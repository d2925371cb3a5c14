// Which slice an element is of: https://hl7.org/fhir/R4/profiling.html#discriminator
import type { Json, JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import { isObject, textOf } from '../json.ts';
import { type Baseline, childBaseline, shortType, sliceBaseline } from './baseline.ts';
import { codingsOf, isListed } from './bindings.ts';
import type { PlanSource } from './plan.ts';
import type { Run } from './run.ts';
import { type Item, type Step, select, stepsOf } from './select.ts';
import { givenOf, maxOf, minOf, type Node, typesOf } from './tree.ts';
import type { Codes } from './value-sets.ts';
import { fitsPattern, isFixed } from './values.ts';

/** Whether an item (a value with its type, or a primitive's `_name` alone) is of the slice. */
export type Matcher = (run: Run, item: Item) => boolean;

/** Other profiles, as far as they are loaded; what is missing is noted, so that it can be loaded. */
export interface Trees {
  tree(canonical: string): { root: Node; type: string } | undefined;
  /** The url that extensions of a definition have: its own, or that of the extension which it is a profile of. */
  extensionUrl(canonical: string): string;
  conforms(run: Run, item: Item, canonicals: readonly string[]): boolean;
  /** The codes of a value set that can be listed. */
  codes(valueSet: string): Codes | undefined;
}

interface Context extends PlanSource {
  readonly trees: Trees;
}

/** A node of a profile's tree, and what R4 says of it. */
interface Place {
  readonly node: Node;
  readonly baseline: Baseline;
}

type Test = (run: Run, item: Item) => boolean;

const definitionUrl = /^(?:url)$/;

/** Where one step leads in a profile: its own child, else that of the profile of its type. */
function childPlaces(context: Context, place: Place, name: string): Place[] {
  const { node, baseline } = place;
  const found = node.children.filter((child) => child.name === name);
  const places = found.map((child) => ({
    node: child,
    baseline: childBaseline(context.definitions, node, baseline, child),
  }));
  const sliced = places.flatMap((child) =>
    child.node.slices.map((slice) => ({
      node: slice,
      baseline: sliceBaseline(child.node, child.baseline, slice),
    })),
  );
  if (places.length > 0) return [...places, ...sliced];
  return typesOf(node).flatMap(({ profiles }) => profiles.flatMap((profile) => profilePlaces(context, profile, name)));
}

function profilePlaces(context: Context, canonical: string, name: string): Place[] {
  const found = context.trees.tree(canonical);
  if (found === undefined) return [];
  const baseline: Baseline = { element: undefined, type: found.type, names: [] };
  return childPlaces(context, { node: found.root, baseline }, name);
}

/** What a profile asks of a reference's target. */
function targetPlaces(context: Context, { node }: Place): Place[] {
  return typesOf(node).flatMap(({ targets }) =>
    targets.flatMap((target) => {
      const found = context.trees.tree(target);
      return found === undefined
        ? []
        : [{ node: found.root, baseline: { element: undefined, type: found.type, names: [] } }];
    }),
  );
}

function ofType(place: Place, type: string): Place[] {
  const { node, baseline } = place;
  const typed = node.slices.filter((slice) => typesOf(slice).some(({ code }) => code === type));
  const names = baseline.names.filter((name) => name.type === type);
  return [...typed, node].map((candidate) => ({ node: candidate, baseline: { ...baseline, names, type } }));
}

function stepPlaces(context: Context, place: Place, step: Step): Place[] {
  if (step.kind === 'child') return childPlaces(context, place, step.name);
  if (step.kind === 'resolve') return targetPlaces(context, place);
  if (step.kind === 'ofType') return ofType(place, step.type);
  const extensions = childPlaces(context, place, 'extension');
  return extensions.filter(({ node }) =>
    typesOf(node).some(({ profiles }) => profiles.some((profile) => context.trees.extensionUrl(profile) === step.url)),
  );
}

/** The value that an outer fixed[x] or pattern[x] has at the rest of the path. */
function within(value: Json | undefined, steps: readonly Step[]): Json | undefined {
  let current = value;
  for (const step of steps) {
    if (step.kind === 'ofType') continue;
    if (step.kind !== 'child') return undefined;
    current = Array.isArray(current) ? current[0] : current;
    current = isObject(current) ? ownValue(current, step.name) : undefined;
  }
  return Array.isArray(current) ? current[0] : current;
}

function valueTest(value: Json, exact: boolean): Test {
  return exact ? (_run, item) => isFixed(item.value, value) : (_run, item) => fitsPattern(item.value, value);
}

/** The value set of a required binding: only of one that can be listed, as a match can't wait for an answer. */
function bindingTest({ trees }: Context, { node }: Place): Test | undefined {
  const { binding } = node.element;
  const valueSet = isObject(binding) && binding.strength === 'required' ? textOf(binding.valueSet) : undefined;
  const codes = valueSet === undefined ? undefined : trees.codes(valueSet);
  return codes && ((_run, { value }) => isListed(codingsOf(value), codes, typeof value === 'string'));
}

/** A test of what stands at a place itself: its fixed[x], pattern[x] or required binding. */
function ownTest(context: Context, place: Place): Test | undefined {
  const fixed = givenOf(place.node, 'fixed');
  if (fixed !== undefined) return valueTest(fixed, true);
  const pattern = givenOf(place.node, 'pattern');
  if (pattern !== undefined) return valueTest(pattern, false);
  return bindingTest(context, place);
}

/** How deep below a discriminator's element a profile's values are looked for. */
const nestingMax = 4;

/** All that the elements below ask of a value, where the place itself has no value: `code` with a fixed `code.coding.code`. */
function nestedTests(context: Context, place: Place, depth: number): Test[] {
  if (depth > nestingMax) return [];
  const parts = place.node.children.flatMap((child) => [child, ...child.slices].map((node) => ({ child, node })));
  return parts.flatMap(({ child, node }): Test[] => {
    const asked = child === node || minOf(node) > 0;
    const baseline = childBaseline(context.definitions, place.node, place.baseline, child);
    const own = asked ? ownTest(context, { node, baseline }) : undefined;
    const tests = own === undefined ? nestedTests(context, { node, baseline }, depth + 1) : [own];
    if (!asked || tests.length === 0) return [];
    const steps = [{ kind: 'child', name: child.name } as const];
    return [(run, item) => select(run, [item], steps).some((found) => tests.every((test) => test(run, found)))];
  });
}

function placeTest(context: Context, place: Place): Test | undefined {
  const own = ownTest(context, place);
  if (own !== undefined) return own;
  const nested = nestedTests(context, place, 0);
  return nested.length === 0 ? undefined : (run, item) => nested.every((test) => test(run, item));
}

const oneOf =
  (tests: readonly Test[]): Test =>
  (run, item) =>
    tests.some((test) => test(run, item));

/** What is asked at the end of the path, where the profile says it there, above it or below it. */
function valueTests(context: Context, start: Place, steps: readonly Step[]): Test[] {
  let places: Place[] = [start];
  for (const [index, step] of steps.entries()) {
    for (const place of places) {
      const value = within(givenOf(place.node, 'fixed') ?? givenOf(place.node, 'pattern'), steps.slice(index));
      if (value !== undefined) return [valueTest(value, false)];
    }
    places = places.flatMap((place) => stepPlaces(context, place, step));
  }
  const tests = places.flatMap((place) => placeTest(context, place) ?? []);
  return tests.length === 0 ? [] : [oneOf(tests)];
}

function valueMatcher(context: Context, start: Place, steps: readonly Step[]): Matcher | undefined {
  const [test] = valueTests(context, start, steps);
  return test && ((run, item) => select(run, [item], steps).some((found) => test(run, found)));
}

function placesAt(context: Context, start: Place, steps: readonly Step[]): Place[] {
  return steps.reduce<Place[]>((places, step) => places.flatMap((place) => stepPlaces(context, place, step)), [start]);
}

function existsMatcher(context: Context, start: Place, steps: readonly Step[]): Matcher | undefined {
  const [place] = placesAt(context, start, steps);
  if (place === undefined) return undefined;
  const wanted = maxOf(place.node) === 0 ? false : minOf(place.node) > 0 ? true : undefined;
  return wanted === undefined ? undefined : (run, item) => select(run, [item], steps).length > 0 === wanted;
}

/** The types of what stands at the end of the path; of a resolved reference those of its targets. */
function typeMatcher(context: Context, start: Place, steps: readonly Step[]): Matcher | undefined {
  const resolves = steps.at(-1)?.kind === 'resolve';
  const places = placesAt(context, start, resolves ? steps.slice(0, -1) : steps);
  const refs = places.flatMap(({ node }) => typesOf(node));
  const codes = resolves
    ? refs.flatMap(({ targets }) => targets.map((target) => context.trees.tree(target)?.type ?? shortType(target)))
    : refs.map(({ code }) => shortType(code));
  if (codes.length === 0) return undefined;
  const wanted = new Set(codes);
  return (run, item) => select(run, [item], steps).some(({ type }) => type !== undefined && wanted.has(type));
}

function profileMatcher(context: Context, start: Place, steps: readonly Step[]): Matcher | undefined {
  const resolves = steps.at(-1)?.kind === 'resolve';
  const places = placesAt(context, start, resolves ? steps.slice(0, -1) : steps);
  const refs = places.flatMap(({ node }) => typesOf(node));
  const profiles = refs.flatMap(({ targets, profiles: own }) => (resolves ? targets : own));
  if (profiles.length === 0) return undefined;
  for (const profile of profiles) context.trees.tree(profile);
  return (run, item) => select(run, [item], steps).some((found) => context.trees.conforms(run, found, profiles));
}

/** What an extension's definition, or a slice of extensions, has for `url`. */
export function fixedUrl({ children }: Node): Json | undefined {
  const url = children.find(({ name }) => definitionUrl.test(name));
  return url && givenOf(url, 'fixed');
}

/** Extensions by url. */
function urlMatcher(context: Context, slice: Node): Matcher | undefined {
  const own = fixedUrl(slice);
  const profiles = own === undefined ? typesOf(slice).flatMap((type) => type.profiles) : [];
  const wanted = new Set(own === undefined ? profiles.map(context.trees.extensionUrl) : [String(own)]);
  return wanted.size === 0 ? undefined : (_run, { value }) => isObject(value) && wanted.has(String(value.url));
}

function positionMatcher(index: number): Matcher {
  return (_run, item) => item.index === index;
}

function discriminatorMatcher(
  context: Context,
  discriminator: JsonObject,
  owner: Node,
  place: Place,
): Matcher | undefined {
  const steps = stepsOf(textOf(discriminator.path) ?? '$this');
  if (steps === undefined) return undefined;
  const [first] = steps;
  if (steps.length === 1 && first?.kind === 'child' && first.name === 'url') {
    const byUrl = urlMatcher(context, place.node);
    if (byUrl !== undefined) return byUrl;
  }
  if (discriminator.type === 'exists') return existsMatcher(context, place, steps);
  if (discriminator.type === 'type') return typeMatcher(context, place, steps);
  if (discriminator.type === 'profile') return profileMatcher(context, place, steps);
  if (discriminator.type === 'position') return positionMatcher(owner.slices.indexOf(place.node));
  return valueMatcher(context, place, steps);
}

/** Undefined where a discriminator can't be evaluated; one that says nothing of this slice leaves it to the others. */
export function compileMatcher(
  context: Context,
  discriminators: readonly JsonObject[],
  owner: Node,
  slice: Node,
  baseline: Baseline,
): Matcher | undefined {
  const place = { node: slice, baseline: sliceBaseline(owner, baseline, slice) };
  const matchers = discriminators.flatMap(
    (discriminator) => discriminatorMatcher(context, discriminator, owner, place) ?? [],
  );
  const [first] = matchers;
  if (first === undefined) return undefined;
  if (matchers.length === 1) return first;
  return (run, item) => matchers.every((matches) => matches(run, item));
}
