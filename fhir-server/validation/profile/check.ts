// A resource or element against a profile's plan: https://hl7.org/fhir/R4/validation.html, https://hl7.org/fhir/R4/profiling.html
import { isNumber, type Json, type JsonObject } from '#fhir-model';
import { charactersIn, isObject } from '../json.ts';
import { shown } from '../report.ts';
import { checkBinding } from './bindings.ts';
import { checkInvariants } from './invariant.ts';
import type { ElementPlan, SlicePlan, SlicingPlan } from './plan.ts';
import { checkAggregation, resolveReference } from './references.ts';
import { defer, depthMax, type Frame, isDone, probeRun, type Run, report } from './run.ts';
import { type Item, itemsOf } from './select.ts';
import { compareValues, fitsPattern, isFixed, limitAt } from './values.ts';

/** Profiles by canonical: `null` for one that isn't known, undefined for one that first has to be loaded. */
export interface Profiles {
  get(canonical: string): { readonly root: ElementPlan; readonly type: string } | null | undefined;
  isResourceType(name: string): boolean;
}

interface Found extends Item {
  /** The JSON name where it stands. */
  readonly json: string;
  readonly repeats: boolean;
}

const nothing: readonly Found[] = [];

function found(owner: JsonObject, json: string, type: string, into: Found[] | undefined): Found[] | undefined {
  const value = owner[json];
  const companion = owner[`_${json}`];
  if (value === undefined && companion === undefined) return into;
  const list = into ?? [];
  const repeats = Array.isArray(value) || Array.isArray(companion);
  const known = type === 'Resource' ? undefined : type;
  for (const item of itemsOf(value, companion, known)) list.push({ ...item, json, repeats });
  return list;
}

/** Everything that stands at an element of this object. */
function itemsAt(owner: JsonObject, { names }: ElementPlan): readonly Found[] {
  let list: Found[] | undefined;
  let last: string | undefined;
  for (const { json, type } of names) {
    if (json !== last) list = found(owner, json, type, list);
    last = json;
  }
  return list ?? nothing;
}

function sourceOf({ source }: ElementPlan): string {
  return `(${source})`;
}

function checkCount(run: Run, plan: ElementPlan, count: number, mustSupport: boolean): void {
  const { min, max, label, name } = plan;
  if (count < min) {
    const message = `${label} needs at least ${min}, found ${count} ${sourceOf(plan)}`;
    report(run, 'error', 'required', 'cardinality-min', message, count === 0 ? name : undefined);
  } else if (count > max) {
    const message =
      max === 0
        ? `${label} is not allowed ${sourceOf(plan)}`
        : `${label} may stand ${max} times, found ${count} ${sourceOf(plan)}`;
    report(run, 'error', 'structure', 'cardinality-max', message, name);
  }
  if (mustSupport && plan.mustSupport && count === 0) {
    const message = `${label} is marked mustSupport and absent ${sourceOf(plan)}`;
    report(run, 'information', 'informational', 'must-support', message, name);
  }
}

/** The children of one object. */
function checkChildren(run: Run, profiles: Profiles, owner: JsonObject, plan: ElementPlan): void {
  for (const child of plan.children) {
    if (isDone(run)) return;
    const items = itemsAt(owner, child);
    checkCount(run, child, items.length, run.settings.mustSupport);
    if (child.slicing !== undefined) checkSlicing(run, profiles, items, child, child.slicing);
    else for (const item of items) within(run, item, () => checkItem(run, profiles, item, child));
  }
}

function within(run: Run, { json, repeats, index }: Found, check: () => void): void {
  run.trail.push(json);
  if (repeats) run.trail.push(index);
  check();
  if (repeats) run.trail.pop();
  run.trail.pop();
}

const typeOf = ({ type, value }: Item): string | undefined =>
  isObject(value) && typeof value.resourceType === 'string' ? value.resourceType : type;

function checkValue(run: Run, item: Item, plan: ElementPlan): void {
  const { fixed, pattern, maxLength } = plan;
  const { value } = item;
  if (fixed !== undefined && !isFixed(value, fixed)) {
    report(run, 'error', 'value', 'fixed', `must be ${shown(JSON.stringify(fixed))} ${sourceOf(plan)}`);
  }
  if (pattern !== undefined && !fitsPattern(value, pattern)) {
    report(run, 'error', 'value', 'pattern', `must have ${shown(JSON.stringify(pattern))} ${sourceOf(plan)}`);
  }
  if (value === undefined) return;
  if (maxLength !== undefined && typeof value === 'string' && value.length > maxLength) {
    const length = charactersIn(value);
    if (length > maxLength)
      report(run, 'error', 'too-long', 'max-length', `may have ${maxLength} characters, found ${length}`);
  }
  checkLimits(run, value, plan);
}

function checkLimits(run: Run, value: Json, plan: ElementPlan): void {
  const { minValue, maxValue } = plan;
  const { nowMs } = run.settings;
  if (minValue !== undefined && (compareValues(value, limitAt(value, minValue, -1, nowMs)) ?? 0) < 0) {
    report(run, 'error', 'value', 'min-value', `must be at least ${limitText(minValue)} ${sourceOf(plan)}`);
  }
  if (maxValue !== undefined && (compareValues(value, limitAt(value, maxValue, 1, nowMs)) ?? 0) > 0) {
    report(run, 'error', 'value', 'max-value', `must be at most ${limitText(maxValue)} ${sourceOf(plan)}`);
  }
}

const limitText = (limit: Json): string => shown(isNumber(limit) ? String(limit) : JSON.stringify(limit));

/** What a primitive's id, extensions and value stand in, for a profile that asks for some of them. */
function ownerOf({ value, companion }: Item, { children }: ElementPlan): Json | undefined {
  if (children.length === 0 || value === undefined) return companion;
  return isObject(companion) ? { ...companion, value } : { value };
}

/** One value of an element, and what is below it. */
export function checkItem(run: Run, profiles: Profiles, item: Item, plan: ElementPlan): void {
  const type = typeOf(item);
  if (plan.types !== undefined && type !== undefined && !plan.types.has(type)) {
    const message = `must be ${[...plan.types].join(' or ')}, found ${shown(type)} ${sourceOf(plan)}`;
    report(run, 'error', 'structure', 'type', message);
    return;
  }
  checkValue(run, item, plan);
  for (const binding of plan.bindings) checkBinding(run, item, binding, plan.source);
  if (plan.invariants.length > 0)
    checkInvariants(run, plan.invariants, item.value ?? null, item.companion, type, plan.source);
  const owner = isObject(item.value) ? item.value : ownerOf(item, plan);
  if (plan.children.length > 0 && isObject(owner)) checkIn(run, owner, () => checkChildren(run, profiles, owner, plan));
  const content = plan.content?.plan;
  if (content !== undefined && isObject(owner)) checkChildren(run, profiles, owner, content);
  const asked = type === undefined ? undefined : profilesFor(plan, type);
  if (asked !== undefined) checkProfiles(run, profiles, item, asked, frameOf(run, item.value));
  if (plan.targets !== undefined && isObject(item.value)) checkTarget(run, profiles, item.value, plan.targets);
  if (plan.aggregation !== undefined && isObject(item.value)) checkAggregation(run, item.value, plan.aggregation);
}

/** Those of its type or, of a resource, those of any resource that may stand there. */
const profilesFor = ({ profiles }: ElementPlan, type: string): readonly string[] | undefined =>
  profiles?.get(type) ?? profiles?.get('Resource') ?? profiles?.get('DomainResource');

/** A resource within a resource has a frame of its own. */
function frameOf(run: Run, value: Json | undefined): Frame {
  return isObject(value) && typeof value.resourceType === 'string'
    ? innerFrame(run.frame, value, run.trail)
    : run.frame;
}

/** The frame of a resource that stands within that of another one: contained, an entry of a Bundle, a parameter. */
export function innerFrame(frame: Frame, resource: JsonObject, trail: readonly (string | number)[]): Frame {
  if (resource === frame.resource || resource === frame.root) return frame;
  const contained = trail.at(-2) === 'contained' || trail.at(-1) === 'contained';
  if (contained) return { resource, root: frame.root, outer: frame.outer, fullUrl: frame.fullUrl };
  return { resource, root: resource, outer: frame, fullUrl: fullUrlOf(frame.resource, resource, trail) };
}

function fullUrlOf(bundle: JsonObject, resource: JsonObject, trail: readonly (string | number)[]): string | undefined {
  const at = trail.at(-2);
  const entry = Array.isArray(bundle.entry) && typeof at === 'number' ? bundle.entry[at] : undefined;
  if (!isObject(entry) || entry.resource !== resource) return undefined;
  return typeof entry.fullUrl === 'string' ? entry.fullUrl : undefined;
}

function checkIn(run: Run, owner: JsonObject, check: () => void): void {
  const { frame } = run;
  run.frame = frameOf(run, owner);
  check();
  run.frame = frame;
}

const isAbstract = (type: string): boolean => type === 'Resource' || type === 'DomainResource' || type === 'Element';

/** `unknown`: the profile isn't known. With `wait` it depends on a profile that has to be loaded first. */
type Verdict = boolean | 'unknown' | { readonly wait: string };

function conforms(run: Run, profiles: Profiles, item: Item, canonical: string, frame: Frame): Verdict {
  const profile = profiles.get(canonical);
  if (profile === undefined) return { wait: canonical };
  if (profile === null) return 'unknown';
  const type = typeOf(item);
  if (type !== undefined && profile.type !== type && !isAbstract(profile.type)) return false;
  const { value } = item;
  const verdicts = isObject(value) ? verdictsOf(run, value) : undefined;
  const known = verdicts?.get(canonical);
  if (known !== undefined || isTooDeep(run, value)) return known ?? true;
  // Two resources that point to each other conform if nothing else speaks against it; each is looked at once, so that a
  // thousand references between them are no more work than one.
  verdicts?.set(canonical, true);
  const probe = probeRun(run);
  probe.frame = frame;
  probe.depth++;
  checkItem(probe, profiles, item, profile.root);
  const waiting = probe.deferred.find((deferred) => deferred.type === 'StructureDefinition');
  if (waiting !== undefined && !probe.failed) {
    verdicts?.delete(canonical);
    return { wait: waiting.canonical };
  }
  verdicts?.set(canonical, !probe.failed);
  return !probe.failed;
}

/** What is remembered of objects ends every circle of profiles; of a primitive's there is none in real life. */
const isTooDeep = (run: Run, value: Json | undefined): boolean =>
  run.depth >= (isObject(value) ? depthMax : primitiveDepthMax);
const primitiveDepthMax = 4;

/** Whether it is the first time that this run holds the value to the profile. */
function isFirst({ followed }: Run, value: Json | undefined, canonical: string): boolean {
  if (!isObject(value)) return true;
  const known = followed.get(value) ?? new Set<string>();
  followed.set(value, known);
  return !known.has(canonical) && known.add(canonical) !== undefined;
}

function verdictsOf({ verdicts }: Run, resource: JsonObject): Map<string, boolean> {
  const known = verdicts.get(resource) ?? new Map<string, boolean>();
  verdicts.set(resource, known);
  return known;
}

/** Whether an item conforms to one of these profiles, as far as they are known; what has to be loaded to tell is noted. */
export function conformsToOne(run: Run, profiles: Profiles, item: Item, canonicals: readonly string[]): boolean {
  const awaited: string[] = [];
  for (const canonical of canonicals) {
    const verdict = conforms(run, profiles, item, canonical, frameOf(run, item.value));
    if (verdict === true) return true;
    if (typeof verdict === 'object') awaited.push(verdict.wait);
  }
  run.awaited.push(...awaited);
  return false;
}

/** Reports unless one of the profiles is kept; one that can't be had is no proof that it isn't. `again` when one has to be loaded. */
function checkOne(verdicts: readonly Verdict[], run: Run, again: (run: Run) => void, told: () => void): void {
  if (verdicts.some((verdict) => verdict === true)) return;
  const waiting = verdicts.find((verdict) => typeof verdict === 'object');
  if (waiting !== undefined) defer(run, 'StructureDefinition', waiting.wait, again);
  else if (!verdicts.includes('unknown')) told();
}

/** Type profiles: with one its own issues, of several one has to be kept. */
export function checkProfiles(run: Run, profiles: Profiles, item: Item, asked: readonly string[], frame: Frame): void {
  const missing = asked.find((canonical) => profiles.get(canonical) === undefined);
  if (missing !== undefined) {
    defer(run, 'StructureDefinition', missing, (later) => checkProfiles(later, profiles, item, asked, frame));
    return;
  }
  const known = asked.filter((canonical) => profiles.get(canonical) !== null);
  for (const canonical of asked) {
    if (known.includes(canonical)) continue;
    report(run, 'warning', 'not-found', 'profile-unknown', `the profile ${shown(canonical)} is not known here`);
  }
  if (known.length < asked.length || isTooDeep(run, item.value)) return;
  const [only] = known;
  if (known.length === 1 && only !== undefined) {
    followProfile(run, profiles, item, only, frame);
    return;
  }
  checkOne(
    known.map((canonical) => conforms(run, profiles, item, canonical, frame)),
    run,
    (later) => checkProfiles(later, profiles, item, asked, frame),
    () => report(run, 'error', 'structure', 'profile-none', `conforms to none of ${known.join(', ')}`),
  );
}

function followProfile(run: Run, profiles: Profiles, item: Item, canonical: string, frame: Frame): void {
  const profile = profiles.get(canonical);
  if (profile === null || profile === undefined) return;
  const type = typeOf(item);
  if (type !== undefined && profile.type !== type && !isAbstract(profile.type)) {
    report(
      run,
      'error',
      'structure',
      'profile-type',
      `${shown(canonical)} is a profile of ${profile.type}, found ${type}`,
    );
    return;
  }
  if (!isFirst(run, item.value, canonical)) return;
  const outer = run.frame;
  run.frame = frame;
  run.depth++;
  checkItem(run, profiles, item, profile.root);
  run.depth--;
  run.frame = outer;
}

/** Of a target elsewhere the reference may tell the type, and so of which profiles it can't be. */
function typeVerdict(profiles: Profiles, type: string, canonical: string): Verdict {
  const profile = profiles.get(canonical);
  if (profile === undefined) return { wait: canonical };
  return profile !== null && profile.type !== type && !isAbstract(profile.type) ? false : 'unknown';
}

/** targetProfile: whether the target conforms can only be told where it is at hand. */
function checkTarget(run: Run, profiles: Profiles, reference: JsonObject, targets: readonly string[]): void {
  const resolved = resolveReference(run, reference.reference);
  const again = (later: Run) => checkTarget(later, profiles, reference, targets);
  if (resolved.kind !== 'found') {
    const { type } = resolved;
    if (type === undefined || !profiles.isResourceType(type)) return;
    const verdicts = targets.map((canonical) => typeVerdict(profiles, type, canonical));
    checkOne(verdicts, run, again, () =>
      report(run, 'error', 'structure', 'reference-target', `leads to a ${type}; may lead to ${targets.join(', ')}`),
    );
    return;
  }
  const item: Item = { value: resolved.resource, companion: undefined, type: resolved.type, index: 0 };
  const message = `its target ${shown(String(reference.reference))} conforms to none of ${targets.join(', ')}`;
  checkOne(
    targets.map((canonical) => conforms(run, profiles, item, canonical, resolved.frame)),
    run,
    again,
    () => report(run, 'error', 'structure', 'target-profile', message),
  );
}

/** The slices that each item is of; undefined where a profile has to be loaded to tell that, and `again` is put off. */
function slicesOf(run: Run, items: readonly Found[], { slices }: SlicingPlan, again: (run: Run) => void) {
  const all = items.map((item) => slices.filter((slice) => slice.matches?.(run, item) === true));
  const [awaited] = run.awaited.splice(0);
  if (awaited === undefined) return all;
  defer(run, 'StructureDefinition', awaited, again);
  return undefined;
}

/** The slice of an item; several are the profile's fault, and told. */
function sliceOf(run: Run, item: Found, matching: readonly SlicePlan[], slicing: SlicingPlan): SlicePlan | undefined {
  if (matching.length > 1) {
    const names = matching.map(({ sliceName }) => sliceName).join(', ');
    within(run, item, () => report(run, 'error', 'invalid', 'slice-several', `is of more than one slice: ${names}`));
  }
  return matching[0] ?? slicing.rest;
}

function checkSlicing(
  run: Run,
  profiles: Profiles,
  items: readonly Found[],
  plan: ElementPlan,
  slicing: SlicingPlan,
): void {
  const matching = slicesOf(run, items, slicing, (later) => checkSlicing(later, profiles, items, plan, slicing));
  if (matching === undefined) return;
  const members = new Map<SlicePlan, Found[]>();
  const evaluable = slicing.slices.every(({ matches }) => matches !== undefined);
  let last = -1;
  let unmatched = false;
  for (const [index, item] of items.entries()) {
    const slice = sliceOf(run, item, matching[index] ?? [], slicing);
    if (slice?.whole !== true) within(run, item, () => checkItem(run, profiles, item, plan));
    if (slice === undefined) {
      unmatched = true;
      if (slicing.rules === 'closed' && evaluable) unmatchedItem(run, item, plan, slicing);
      continue;
    }
    const position = slicing.slices.indexOf(slice);
    if (position >= 0 && ((slicing.ordered && position < last) || (unmatched && slicing.rules === 'openAtEnd'))) {
      within(run, item, () =>
        report(run, 'error', 'invalid', 'slice-order', `is out of the order of slices ${sourceOf(plan)}`),
      );
    }
    last = Math.max(last, position);
    const there = members.get(slice);
    if (there === undefined) members.set(slice, [item]);
    else there.push(item);
  }
  for (const slice of slicing.slices)
    if (slice.matches !== undefined) checkSlice(run, profiles, members.get(slice) ?? [], slice);
  if (slicing.rest !== undefined) checkSlice(run, profiles, members.get(slicing.rest) ?? [], slicing.rest);
}

function unmatchedItem(run: Run, item: Found, plan: ElementPlan, { slices }: SlicingPlan): void {
  const names = slices.map(({ sliceName }) => sliceName).join(', ');
  const message = `is of none of the slices ${names || '(there are none)'} of ${plan.label} ${sourceOf(plan)}`;
  within(run, item, () => report(run, 'error', 'invalid', 'slice-unmatched', message));
}

function checkSlice(run: Run, profiles: Profiles, items: readonly Found[], slice: SlicePlan): void {
  checkCount(run, slice, items.length, run.settings.mustSupport);
  if (slice.slicing !== undefined) checkSlicing(run, profiles, items, slice, slice.slicing);
  else for (const item of items) within(run, item, () => checkItem(run, profiles, item, slice));
}
