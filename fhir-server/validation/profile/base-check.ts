// A resource against R4 itself, its structure aside: https://hl7.org/fhir/R4/validation.html. Robust against any structure, as it
// runs also where the structure check has found faults.
import type { Json, JsonObject } from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';
import { pathOf, shown } from '../report.ts';
import type { DatatypeRule } from '../rules/datatypes.ts';
import { checkNarrative } from '../rules/narrative.ts';
import { addFaults } from './add-faults.ts';
import type { BaseElement, BasePlan, BasePlans } from './base-plan.ts';
import { checkBinding } from './bindings.ts';
import { innerFrame } from './check.ts';
import { type CodeSystems, checkCode } from './code-systems.ts';
import { checkExtension, checkRepeats, type Extensions } from './extensions.ts';
import { checkInvariants } from './invariant.ts';
import { checkReference } from './references.ts';
import { isDone, type Run, report } from './run.ts';

/** Names and indexes; what parseJson lets through nests at most 100 levels. */
const trailLengthMax = 256;
const source = 'http://hl7.org/fhir/R4';

export interface BaseCheck {
  readonly plans: BasePlans;
  readonly extensions: Extensions;
  readonly systems: CodeSystems;
  isResourceType(name: string): boolean;
  /** Called with each resource, also those within others, and its frame in place. */
  resource(run: Run, resource: JsonObject): void;
}

/** Of a canonical: a fragment, or an absolute URL; https://hl7.org/fhir/R4/references.html#canonical */
function checkCanonical(run: Run, value: Json): void {
  if (typeof value !== 'string' || value.startsWith('#') || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(value)) return;
  report(
    run,
    'error',
    'invalid',
    'canonical-absolute',
    `a canonical is an absolute URL or a fragment, found '${shown(value)}'`,
  );
}

const valueSetUrl = /^https?:\/\/(?:terminology\.hl7\.org|hl7\.org\/fhir)\/ValueSet\//;

/** https://hl7.org/fhir/R4/datatypes.html#Coding: the system is a URI that means a code system. */
function checkCoding({ systems }: BaseCheck, run: Run, coding: JsonObject): void {
  const { system, code } = coding;
  if (typeof system !== 'string') {
    if (code === undefined) return;
    report(run, 'warning', 'invalid', 'coding-no-system', 'a code without system has no defined meaning');
  } else if (!/^[A-Za-z][A-Za-z0-9+.-]*:/.test(system) && !system.startsWith('#')) {
    report(run, 'error', 'invalid', 'coding-system-absolute', `is an absolute URI, found '${shown(system)}'`, 'system');
  } else if (valueSetUrl.test(system)) {
    const message = `is a code system, found the value set '${shown(system)}'`;
    report(run, 'error', 'invalid', 'coding-value-set', message, 'system');
  } else checkCode(run, systems, coding);
}

function checkValue(check: BaseCheck, run: Run, value: Json, element: BaseElement): void {
  const { kind, invariants, binding } = element;
  if (invariants.length > 0) checkInvariants(run, invariants, value, undefined);
  if (binding !== undefined) {
    checkBinding(run, { value, companion: undefined, type: element.type, index: 0 }, binding, source);
  }
  if (kind === 'canonical') {
    checkCanonical(run, value);
    return;
  }
  if (!isObject(value)) return;
  if (kind === 'resource') {
    checkInner(check, run, value);
    return;
  }
  if (kind === 'coding') checkCoding(check, run, value);
  else if (kind === 'reference') checkReference(run, value, element.targets, check.isResourceType);
  else if (kind === 'extension' || kind === 'modifierExtension') {
    checkExtension(run, check.extensions, value, kind === 'modifierExtension');
  }
  element.plan ??= check.plans.plan(element.type);
  if (element.plan === undefined) return;
  if (kind !== 'extension' && kind !== 'modifierExtension') checkObject(check, run, value, element.plan);
  else checkInside(check, run, value, element.plan);
}

/** What is inside an extension: its url tells what extensions there mean. */
function checkInside(check: BaseCheck, run: Run, extension: JsonObject, plan: BasePlan): void {
  const { parents } = run;
  run.parents = [...parents, textOf(extension.url) ?? ''];
  checkObject(check, run, extension, plan);
  run.parents = parents;
}

/** https://hl7.org/fhir/R4/narrative.html, wherever a Narrative stands: of a resource, of a Composition's section. */
function checkDiv(run: Run, { div }: JsonObject): void {
  if (typeof div !== 'string') return;
  const contained = new Set(objectsOf(run.frame.root.contained).flatMap(({ id }) => textOf(id) ?? []));
  addFaults(run, checkNarrative(div, `${pathOf(run.trail)}.div`, contained).faults);
}

function checkRule(run: Run, rule: DatatypeRule, value: JsonObject): void {
  const fault = rule(value, () => pathOf(run.trail));
  if (fault !== undefined) addFaults(run, [fault]);
}

function checkObject(check: BaseCheck, run: Run, object: JsonObject, plan: BasePlan): void {
  if (run.trail.length > trailLengthMax) return;
  if (plan.invariants.length > 0) checkInvariants(run, plan.invariants, object, undefined);
  if (plan.rule !== undefined) checkRule(run, plan.rule, object);
  else if (plan.name === 'Narrative') checkDiv(run, object);
  for (const name in object) {
    const element = plan.elements.get(name);
    const value = object[name];
    if (element === undefined || value === undefined || value === null) continue;
    run.trail.push(name);
    if (element.codeOf !== undefined) checkCodeThere(run, object[name.slice(1)], value, element.codeOf);
    if (Array.isArray(value)) checkArray(check, run, value, element);
    else checkValue(check, run, value, element);
    run.trail.pop();
    if (isDone(run)) return;
  }
}

/** A code that R4 doesn't have yet: https://hl7.org/fhir/R4/versions.html#extensions */
function isOfLaterVersion({ extension }: JsonObject): boolean {
  return objectsOf(extension).some(({ url }) => /^http:\/\/hl7\.org\/fhir\/[1-9]\.\d\//.test(textOf(url) ?? ''));
}

/** Extensions don't stand for the code that a required binding asks for. */
function checkCodeThere(run: Run, code: Json | undefined, companion: Json, valueSet: string): void {
  const companions = Array.isArray(companion) ? companion : [companion];
  const codes = Array.isArray(code) ? code : [code];
  for (const [index, there] of companions.entries()) {
    if (!isObject(there) || typeof (codes[index] ?? undefined) === 'string' || isOfLaterVersion(there)) continue;
    const message = `no code is given, and one of the value set ${valueSet} is required`;
    report(run, 'error', 'code-invalid', 'binding-no-code', message);
  }
}

function checkArray(check: BaseCheck, run: Run, values: readonly Json[], element: BaseElement): void {
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value === undefined || value === null) continue;
    run.trail.push(index);
    checkValue(check, run, value, element);
    run.trail.pop();
    if (isDone(run)) return;
  }
  const { kind } = element;
  if (values.length > 1 && (kind === 'extension' || kind === 'modifierExtension')) {
    checkRepeats(run, check.extensions, values);
  }
}

/** https://hl7.org/fhir/R4/references.html#contained: `#id` leads to one of them. */
function checkContainedIds(run: Run, { contained }: JsonObject): void {
  if (!Array.isArray(contained) || contained.length < 2) return;
  const seen = new Set<string>();
  contained.forEach((resource, index) => {
    const id = isObject(resource) ? textOf(resource.id) : undefined;
    if (id === undefined) return;
    if (seen.has(id)) {
      run.trail.push('contained', index);
      const message = `another contained resource has the id '${shown(id)}' already: #${shown(id)} leads to both`;
      report(run, 'error', 'invalid', 'contained-id-twice', message, 'id');
      run.trail.length -= 2;
    }
    seen.add(id);
  });
}

function checkInner(check: BaseCheck, run: Run, resource: JsonObject): void {
  const { frame } = run;
  run.frame = innerFrame(frame, resource, run.trail);
  checkBase(check, run, resource);
  run.frame = frame;
}

/** The resource of the run's frame, with all that is within it. */
export function checkBase(check: BaseCheck, run: Run, resource: JsonObject): void {
  const type = textOf(resource.resourceType);
  const plan = type !== undefined && check.isResourceType(type) ? check.plans.plan(type) : undefined;
  if (plan === undefined) return;
  checkObject(check, run, resource, plan);
  checkContainedIds(run, resource);
  check.resource(run, resource);
}
