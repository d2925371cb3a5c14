// A profile may only narrow what its base allows: https://hl7.org/fhir/R4/profiling.html#cardinality, #limitations
import { isRawJson, stringify } from '../json.ts';
import type { Json, JsonObject } from '../types.ts';
import { type MergeContext, shown } from './faults.ts';
import { type ElementType, maxNumber, type Slicing, type StructureElement } from './types.ts';

const isMax = (max: string): boolean => max === '*' || /^\d{1,9}$/.test(max);

/** The part of `diff` that holds: without cardinality that is wider than the base's. */
function cardinality(base: StructureElement, diff: StructureElement, context: MergeContext): StructureElement {
  const result = { ...diff };
  const { faults, index } = context;
  const say = (text: string) => faults.add('snapshot-cardinality', `${shown(diff.id ?? diff.path)}: ${text}`, index);
  if (diff.min !== undefined && diff.min < (base.min ?? 0)) {
    say(`min ${diff.min} is less than its base's ${base.min}`);
    delete result.min;
  }
  if (diff.max !== undefined && (!isMax(diff.max) || maxNumber(diff.max) > maxNumber(base.max))) {
    say(`max ${shown(diff.max)} is more than its base's ${base.max}`);
    delete result.max;
  }
  const min = result.min ?? base.min ?? 0;
  const max = result.max ?? base.max;
  if (min > maxNumber(max)) say(`min ${min} is more than max ${max}`);
  return result;
}

/** Types that stand for others: any resource, any type that has elements. */
const GENERAL = new Set(['Resource', 'DomainResource', 'Element', 'Base', '*']);

const isAbsolute = (code: string): boolean => code.includes(':');

const allows = (allowed: ElementType, type: ElementType): boolean =>
  allowed.code === type.code || (GENERAL.has(allowed.code) && /^[A-Z*]/.test(type.code)) || isAbsolute(allowed.code);

/** A Quantity may become one of its specializations. */
const QUANTITIES = new Set(['Age', 'Count', 'Distance', 'Duration']);

/** Types that the base doesn't allow are left out. One said without its base's profile has none: HL7's snapshots have it so. */
function typesOf(base: StructureElement, diff: StructureElement, context: MergeContext): ElementType[] | undefined {
  if (!diff.type || diff.type.length === 0) return undefined;
  if (!base.type || base.type.length === 0) return diff.type;
  const bases = base.type;
  const fits = (type: ElementType): boolean =>
    bases.some((one) => allows(one, type) || (one.code === 'Quantity' && QUANTITIES.has(type.code)));
  const wrong = diff.type.filter((type) => !fits(type));
  const fitting = diff.type.filter(fits);
  if (wrong.length === 0) return fitting;
  const names = wrong.map(({ code }) => shown(code)).join(', ');
  const offered = bases.map(({ code }) => code).join(', ');
  const text = `${shown(diff.id ?? diff.path)}: type ${names} is none of its base's: ${offered}`;
  context.faults.add('snapshot-type', text, context.index);
  return fitting.length > 0 ? fitting : bases;
}

const STRENGTHS = ['example', 'preferred', 'extensible', 'required'];

function checkBinding(base: StructureElement, diff: StructureElement, context: MergeContext): void {
  const from = base.binding?.strength;
  const to = diff.binding?.strength;
  if (from === undefined || to === undefined || STRENGTHS.indexOf(to) >= STRENGTHS.indexOf(from)) return;
  context.faults.add(
    'snapshot-binding',
    `${shown(diff.id ?? diff.path)}: binding ${shown(to)} is weaker than its base's ${from}`,
    context.index,
    'warning', // R4's own vital signs are followed by US Core's with a weaker one
  );
}

const isFixing = (key: string): boolean => /^(?:fixed|pattern)[A-Z]/.test(key);

/** Another fixed value than the base's fits nothing; a pattern may say more. */
function checkFixed(base: StructureElement, diff: StructureElement, context: MergeContext): void {
  for (const key of Object.keys(base)) {
    const value = diff[key] as Json | undefined;
    if (!isFixing(key) || value === undefined) continue;
    const same = key.startsWith('fixed') ? stringify(base[key]) === stringify(value) : contains(value, base[key]);
    if (same) continue;
    context.faults.add(
      'snapshot-fixed',
      `${shown(diff.id ?? diff.path)}: ${key} is not that of its base`,
      context.index,
    );
  }
}

const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null;

/** Of values with each other: two patterns of 20,000 codings took 49 s. */
const comparisonsMax = 20_000;

/** Whether `value` has all that `pattern` has; too much to compare counts as if it had. */
function contains(value: Json | undefined, pattern: Json | undefined, budget = { left: comparisonsMax }): boolean {
  if (budget.left-- <= 0) return true;
  if (Array.isArray(pattern)) {
    return Array.isArray(value) && pattern.every((one) => value.some((given) => contains(given, one, budget)));
  }
  if (isObject(pattern) && isObject(value) && !isRawJson(pattern)) {
    return Object.keys(pattern).every((key) => contains(value[key], pattern[key], budget));
  }
  return stringify(value ?? null) === stringify(pattern ?? null);
}

/** A closed slicing stays closed. */
function slicingOf(base: Slicing, diff: Slicing, context: MergeContext): Slicing {
  const merged = { ...base, ...diff };
  if (base.rules !== 'closed' || merged.rules === 'closed') return merged;
  context.faults.add(
    'snapshot-slicing',
    'The slicing is closed in the base and stays closed',
    context.index,
    'warning',
  );
  return { ...merged, rules: 'closed' };
}

/** What once holds can't be taken back: whoever knows the base relies on it. */
const LASTING = ['mustSupport', 'isModifier'] as const;

/** What of `diff` may stand over `base`; tells of the rest. */
export function checkNarrower(base: StructureElement, diff: StructureElement, context: MergeContext): StructureElement {
  checkBinding(base, diff, context);
  checkFixed(base, diff, context);
  if (base.mustSupport === true && diff.mustSupport === false) {
    const text = `${shown(diff.id ?? diff.path)}: mustSupport can't be taken back`;
    context.faults.add('snapshot-must-support', text, context.index, 'warning');
  }
  const result = cardinality(base, diff, context);
  const type = typesOf(base, diff, context);
  if (type) result.type = type;
  if (base.slicing && diff.slicing) result.slicing = slicingOf(base.slicing, diff.slicing, context);
  for (const flag of LASTING) if (base[flag] === true) delete result[flag];
  return result;
}
