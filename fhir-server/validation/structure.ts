// The structure of a resource: names, cardinalities, types, required codes. https://hl7.org/fhir/R4/validation.html (Structure,
// Cardinality, Value Domains, Coding Bindings) and https://hl7.org/fhir/R4/json.html; ele-1, ext-1 and dom-2 of the invariants.
import type { Definitions, Issue, Json, JsonObject, Resource, Validator } from '#fhir-model';
import { isObject } from './json.ts';
import { createPlans, type Plan, type Plans, type Property } from './plan.ts';
import { jsonTypeName, type PrimitiveRule } from './primitives.ts';
import { addIssue, isFull, issuesMax, type Report, shown } from './report.ts';

/** Names and indexes from the root; parseJson lets 100 levels through, resources built in process could have a cycle. */
const trailLengthMax = 256;
const listedCodesMax = 30;
const onlyAnId = 'ele-1: needs a value or children besides its id';

interface Check extends Report {
  readonly plans: Plans;
}

function checkPrimitive(check: Check, value: Json, rule: PrimitiveRule, { codes, valueSet }: Property): void {
  if (codes !== undefined && typeof value === 'string' && codes.has(value)) return;
  if (!rule.check(value)) reportPrimitive(check, value, rule);
  else if (codes !== undefined) {
    const listed = codes.size <= listedCodesMax ? [...codes].join(', ') : valueSet;
    addIssue(check, 'code-invalid', `'${shown(String(value))}' is not one of ${listed}`);
  }
}

function reportPrimitive(check: Check, value: Json, { name, json, expected }: PrimitiveRule): void {
  const found = jsonTypeName(value);
  if (found !== `a ${json}`) addIssue(check, 'structure', `must be a ${json} (${name}), found ${found}`);
  else addIssue(check, 'value', value === '' ? 'must not be empty' : `must be ${expected} (${name})`);
}

/** In the two arrays of a repeating primitive, null stands where the other array has the content. */
function checkNull(check: Check, property: Property, owner: JsonObject, index: number): void {
  const other = property.sibling === undefined ? undefined : owner[property.sibling];
  const counterpart = Array.isArray(other) ? other[index] : undefined;
  if (counterpart !== undefined && counterpart !== null) return;
  const reason =
    property.sibling === undefined ? 'null is not allowed' : `null needs a counterpart in ${property.sibling}`;
  addIssue(check, 'structure', reason);
}

function checkSingle(check: Check, value: Json, property: Property): void {
  if (property.rule !== undefined) checkPrimitive(check, value, property.rule, property);
  else if (!isObject(value))
    addIssue(check, 'structure', `must be an object (${property.type}), found ${jsonTypeName(value)}`);
  else if (property.type === 'Resource') checkResource(check, value, property.base === 'contained');
  else {
    property.plan ??= check.plans.plan(property.type ?? '');
    if (property.plan !== undefined) checkObject(check, value, property.plan);
    if (property.codings !== undefined) checkCodings(check, value, property);
  }
}

/** ele-1 for a primitive: `_name` may hold only an id where the value itself is there. */
function checkCompanion(check: Check, value: Json, counterpart: Json | undefined): void {
  const bare = isObject(value) && value.id !== undefined && Object.keys(value).length === 1;
  if (bare && (counterpart ?? null) === null) addIssue(check, 'invariant', onlyAnId);
}

function checkArray(check: Check, values: Json[], property: Property, owner: JsonObject): void {
  if (values.length === 0) addIssue(check, 'structure', 'an array must not be empty');
  const counterparts = property.companion ? owner[property.sibling ?? ''] : undefined;
  for (let index = 0; index < values.length && !isFull(check); index++) {
    const value = values[index] ?? null;
    check.trail.push(index);
    if (value === null) checkNull(check, property, owner, index);
    else checkSingle(check, value, property);
    if (property.companion) checkCompanion(check, value, Array.isArray(counterparts) ? counterparts[index] : undefined);
    check.trail.pop();
  }
}

function checkProperty(check: Check, value: Json, property: Property, owner: JsonObject): void {
  if (Array.isArray(value) !== property.array) {
    const [wanted, found] = property.array ? ['an array', jsonTypeName(value)] : ['a single value', 'an array'];
    addIssue(check, 'structure', `must be ${wanted}, found ${found}`);
  } else if (Array.isArray(value)) checkArray(check, value, property, owner);
  else if (value === null) addIssue(check, 'structure', 'null is not allowed');
  else {
    checkSingle(check, value, property);
    if (property.companion) checkCompanion(check, value, owner[property.sibling ?? '']);
  }
}

function isBound(coding: JsonObject, codings: Property['codings']): boolean {
  const { system, code } = coding;
  return typeof system === 'string' && typeof code === 'string' && codings?.get(system)?.has(code) === true;
}

/** A required binding of a CodeableConcept: one coding at least is of the value set; one with only extensions may pass. */
function checkCodings(check: Check, concept: JsonObject, { codings, valueSet }: Property): void {
  const list = Array.isArray(concept.coding) ? concept.coding : [];
  if (list.length === 0 && concept.text === undefined) return;
  const bound = list.some((coding) => isObject(coding) && isBound(coding, codings));
  if (!bound) addIssue(check, 'code-invalid', `needs a coding of the value set ${valueSet}`);
}

function reportMissing(check: Check, plan: Plan, seen: number): void {
  for (const { bit, label, names } of plan.required) {
    if ((seen & bit) !== 0) continue;
    addIssue(check, 'required', names.length > 1 ? `required, as one of ${names.join(', ')}` : 'required', label);
  }
}

/** `repeated` has the bits of choices of which more than one name was seen, be it `valueString` and `_valueString`. */
function checkChoices(check: Check, object: JsonObject, plan: Plan, repeated: number): void {
  for (const { bit, label, names } of plan.choices) {
    if ((repeated & bit) === 0) continue;
    const present = names.filter((name) => object[name] !== undefined || object[`_${name}`] !== undefined);
    if (present.length > 1)
      addIssue(check, 'structure', `only one of ${label} may be present, found ${present.join(', ')}`);
  }
}

function checkObject(check: Check, object: JsonObject, plan: Plan): void {
  if (check.trail.length > trailLengthMax) {
    addIssue(check, 'structure', 'nested too deeply');
    return;
  }
  let required = 0;
  let choices = 0;
  let repeated = 0;
  let count = 0;
  for (const name in object) {
    const value = object[name];
    if (value === undefined || (plan.resource && name === 'resourceType')) continue;
    if (isFull(check)) return;
    count++;
    const property = plan.properties.get(name);
    if (property === undefined) {
      addIssue(check, 'structure', `${plan.name} has no element of this name`, name);
      continue;
    }
    required |= property.requiredBit;
    repeated |= choices & property.choiceBit;
    choices |= property.choiceBit;
    check.trail.push(name);
    checkProperty(check, value, property, object);
    check.trail.pop();
  }
  if (required !== plan.requiredMask) reportMissing(check, plan, required);
  if (repeated !== 0) checkChoices(check, object, plan, repeated);
  checkContent(check, object, plan, count, choices);
}

/** ele-1 (an element has a value or children besides its id) and ext-1 (an extension has a value or extensions, not both). */
function checkContent(check: Check, object: JsonObject, plan: Plan, count: number, choices: number): void {
  if (plan.resource) return;
  if (count === 0) addIssue(check, 'structure', 'an object must not be empty');
  else if (count === 1 && object.id !== undefined && plan.name !== 'Element') addIssue(check, 'invariant', onlyAnId);
  if (plan.name !== 'Extension') return;
  if ((choices !== 0) === (object.extension !== undefined)) {
    addIssue(check, 'invariant', 'ext-1: must have either extensions or value[x], and not both');
  }
}

/** The plan of the resource's type; undefined, and reported, when it names none of R4's. */
function resourcePlan(check: Check, resourceType: Json | undefined): Plan | undefined {
  const known = typeof resourceType === 'string' && check.plans.isResourceType(resourceType);
  if (known) return check.plans.plan(resourceType);
  const found = typeof resourceType === 'string' ? `'${shown(resourceType)}'` : jsonTypeName(resourceType);
  const fault = resourceType === undefined ? 'required' : `must be one of R4's resource types, found ${found}`;
  addIssue(check, resourceType === undefined ? 'required' : 'structure', fault, 'resourceType');
  return undefined;
}

function checkResource(check: Check, resource: JsonObject, contained: boolean): void {
  const plan = resourcePlan(check, resource.resourceType);
  if (plan === undefined) return;
  if (contained && resource.contained !== undefined) {
    addIssue(check, 'invariant', 'dom-2: a contained resource must not contain others', 'contained');
  }
  checkObject(check, resource, plan);
}

export interface StructureValidator extends Validator {
  validate(resource: Resource, issuesMax?: number): Issue[];
}

/**
 * Checks resources as parseJson gives them, `value` or `exact`. Yields at most 20 issues unless told, and never throws. With
 * `narratives` false what is in narratives is somebody else's to check.
 */
export function createStructureValidator(definitions: Definitions, narratives = true): StructureValidator {
  const plans = createPlans(definitions, narratives);
  return {
    validate(resource, most = issuesMax): Issue[] {
      const root = isObject(resource) && typeof resource.resourceType === 'string' ? resource.resourceType : 'Resource';
      const check: Check = { issues: [], issuesMax: most, trail: [root], plans };
      if (isObject(resource)) checkResource(check, resource, false);
      else addIssue(check, 'structure', `a resource must be an object, found ${jsonTypeName(resource)}`);
      return check.issues;
    },
  };
}
