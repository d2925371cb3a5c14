// Extensions: known, in a context that they are for, and as they are defined. https://hl7.org/fhir/R4/extensibility.html,
// https://hl7.org/fhir/R4/defining-extensions.html#context
import {
  type Definitions,
  isTopicBasic,
  type Json,
  type JsonObject,
  type Resource,
  topicElementOf,
  topicPartOf,
} from '#fhir-model';
import { isObject } from '../json.ts';
import { shown } from '../report.ts';
import type { Outcome } from '../rules/invariants.ts';
import { createSelect, type Select } from '../rules/select.ts';
import { shortType } from './baseline.ts';
import { checkItem, type Profiles } from './check.ts';
import { contextsOf } from './known-contexts.ts';
import { type At, placesOn } from './place.ts';
import type { ExtensionContext, ProfilePlan } from './plan.ts';
import { defer, depthMax, type Run, report } from './run.ts';

export interface Extensions extends Profiles {
  readonly definitions: Definitions;
  get(canonical: string): ProfilePlan | null | undefined;
}

/** One inside another: its url is relative to that, and part of its definition. */
const isRelative = (url: string): boolean => !/^[A-Za-z][A-Za-z0-9+.-]*:/.test(url);

/**
 * An element of a topic, or a part of one, in the Basic that R4 has for it: what it says is checked as the topic's meaning.
 * http://hl7.org/fhir/uv/subscriptions-backport/components.html#subscription-topics-in-r4
 */
function isOfTopic({ frame, parents: [element] }: Run, url: string): boolean {
  const resource = frame.resource as Resource;
  if (topicElementOf(element ?? url) === undefined || !isTopicBasic(resource)) return false;
  return element === undefined || topicPartOf(url) !== undefined;
}

function unknown(run: Run, url: string, modifier: boolean): void {
  if (isOfTopic(run, url)) return;
  if (modifier) {
    report(
      run,
      'error',
      'extension',
      'extension-modifier-unknown',
      `the modifier extension ${shown(url)} is not known here`,
    );
    return;
  }
  const { unknownExtension } = run.settings;
  report(run, unknownExtension, 'extension', 'extension-unknown', `the extension ${shown(url)} is not known here`);
}

/** Where the extension stands: without its own name and index. */
function ownerTrail(trail: readonly (string | number)[]): readonly (string | number)[] {
  const index = trail.findLastIndex((step) => step === 'extension' || step === 'modifierExtension');
  return index < 0 ? trail : trail.slice(0, index);
}

const selects = new WeakMap<Definitions, Select>();

function selectOf(definitions: Definitions): Select {
  const select = selects.get(definitions) ?? createSelect(definitions);
  selects.set(definitions, select);
  return select;
}

/**
 * "All elements that match the FHIRPath query": of the resource, or, where it begins further in (`HumanName.family`), of what
 * is around the extension.
 */
function isSelected(
  run: Run,
  definitions: Definitions,
  places: readonly At[] | undefined,
  expression: string,
): Outcome {
  const wanted = places?.at(-1)?.value;
  if (places === undefined || wanted === undefined) return 'cannot';
  const { resource, root } = run.frame;
  let told: Outcome = false;
  for (const { value, type } of places) {
    if (!isObject(value)) continue;
    const found = selectOf(definitions)(expression, { value, type }, wanted, resource, root);
    if (found === true) return true;
    if (found !== false) told = found;
  }
  return told;
}

function fits(
  run: Run,
  definitions: Definitions,
  places: readonly At[] | undefined,
  { type, expression }: ExtensionContext,
): Outcome {
  if (type === 'extension') return run.parents.at(-1) === expression.split('#')[0];
  if (type === 'fhirpath') return isSelected(run, definitions, places, expression);
  const path = shortType(expression);
  // R4's own definitions say Element where they mean anything, resources too (structuredefinition-standards-status).
  // `*`, a profile by its URL, an element of a profile: https://hl7.org/fhir/R4/defining-extensions.html#context
  if (path === '*' || path === 'Element' || path.includes(':') || path.includes('#')) return true;
  return places?.at(-1)?.names.has(path) === true;
}

/** In none of its contexts; where that can't be told of one, it is told so. */
function checkPlace(
  run: Run,
  definitions: Definitions,
  places: readonly At[] | undefined,
  url: string,
  contexts: readonly ExtensionContext[],
): void {
  const outcomes = contexts.map((context) => fits(run, definitions, places, context));
  if (outcomes.includes(true)) return;
  const untold = outcomes.findIndex((outcome) => outcome !== false);
  const allowed = contexts.map(({ expression }) => expression).join(', ');
  const where = `the extension ${shown(url)} is for ${shown(allowed)}`;
  if (untold === -1) report(run, 'error', 'structure', 'extension-context', where);
  else {
    const code = outcomes[untold] === 'too-costly' ? 'too-costly' : 'not-supported';
    report(run, 'warning', code, 'extension-context-untold', `${where}: whether it stands there can't be told`);
  }
}

const isAnywhere = ({ type, expression }: ExtensionContext): boolean =>
  type === 'element' && (expression === 'Element' || expression === '*');

function checkContext(run: Run, { definitions }: Extensions, plan: ProfilePlan): void {
  const { url, contextInvariants } = plan;
  const contexts = contextsOf(url, plan.contexts);
  const anywhere = contexts.length === 0 || contexts.some(isAnywhere);
  if (anywhere && contextInvariants.length === 0) return;
  const places = placesOn(definitions, run.top, ownerTrail(run.trail));
  if (!anywhere) checkPlace(run, definitions, places, url, contexts);
  const at = places?.at(-1);
  if (at === undefined) return;
  for (const { expression, testOf } of contextInvariants) {
    if (testOf(at.type)(at.value ?? null, run.frame.resource, run.frame.root) !== false) continue;
    report(
      run,
      'error',
      'invariant',
      'extension-context',
      `the extension ${shown(url)} asks for: ${shown(expression)}`,
    );
  }
}

function checkKnown(run: Run, extensions: Extensions, value: JsonObject, modifier: boolean, plan: ProfilePlan): void {
  if (plan.type !== 'Extension') {
    report(
      run,
      'error',
      'structure',
      'extension-not-one',
      `${shown(plan.url)} defines a ${plan.type}, not an extension`,
    );
    return;
  }
  if (plan.modifier !== modifier) {
    const wanted = plan.modifier ? 'a modifierExtension' : 'no modifierExtension';
    report(run, 'error', 'structure', 'extension-modifier', `the extension ${shown(plan.url)} is ${wanted}`);
  }
  checkContext(run, extensions, plan);
  if (run.depth >= depthMax) return;
  run.depth++;
  checkItem(run, extensions, { value, companion: undefined, type: 'Extension', index: 0 }, plan.root);
  run.depth--;
}

/** The extensions of one element: how often each may stand is its definition's root. https://hl7.org/fhir/R4/defining-extensions.html */
export function checkRepeats(run: Run, extensions: Extensions, values: readonly Json[]): void {
  const counts = new Map<string, number>();
  for (const value of values) {
    const url = isObject(value) ? value.url : undefined;
    if (typeof url === 'string' && !isRelative(url)) counts.set(url, (counts.get(url) ?? 0) + 1);
  }
  for (const [url, count] of counts) if (count > 1) checkRepeat(run, extensions, url, count);
}

function checkRepeat(run: Run, extensions: Extensions, url: string, count: number): void {
  const plan = extensions.get(url);
  if (plan === undefined) {
    defer(run, 'StructureDefinition', url, (later) => checkRepeat(later, extensions, url, count));
  } else if (plan !== null && plan.type === 'Extension' && count > plan.max) {
    const message = `the extension ${shown(url)} may stand ${plan.max} times, found ${count}`;
    report(run, 'error', 'structure', 'extension-max', message);
  }
}

/**
 * A part of another extension, named relative to that one's definition: what the definition does not have means nothing.
 * https://hl7.org/fhir/R4/extensibility.html
 */
function checkPart(run: Run, extensions: Extensions, value: JsonObject, url: string, parent: string): void {
  if (isRelative(parent)) return;
  const plan = extensions.get(parent);
  if (plan === undefined) {
    defer(run, 'StructureDefinition', parent, (later) => checkPart(later, extensions, value, url, parent));
    return;
  }
  const parts = plan?.root.children.find(({ name }) => name === 'extension')?.slicing;
  // Closed slices are told with the slices themselves, and a slice for all the others takes any.
  if (parts === undefined || parts.rules === 'closed' || parts.rest !== undefined) return;
  const item = { value, companion: undefined, type: 'Extension', index: 0 };
  if (parts.slices.some(({ matches }) => matches === undefined || matches(run, item))) return;
  report(run, 'error', 'extension', 'extension-part', `the extension ${shown(parent)} has no part ${shown(url)}`);
}

export function checkExtension(run: Run, extensions: Extensions, value: JsonObject, modifier: boolean): void {
  const { url } = value;
  if (typeof url !== 'string') return;
  if (isRelative(url)) {
    const parent = run.parents.at(-1);
    if (parent !== undefined) checkPart(run, extensions, value, url, parent);
    else report(run, 'error', 'invalid', 'extension-url', `the url of an extension is absolute, found '${shown(url)}'`);
    return;
  }
  const plan = extensions.get(url);
  if (plan === null) unknown(run, url, modifier);
  else if (plan !== undefined) checkKnown(run, extensions, value, modifier, plan);
  else {
    defer(run, 'StructureDefinition', url, (later) => checkExtension(later, extensions, value, modifier));
  }
}
