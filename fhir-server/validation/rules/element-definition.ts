// The elements of a StructureDefinition: https://hl7.org/fhir/R4/elementdefinition.html, slicing: https://hl7.org/fhir/R4/profiling.html#slicing
import type { JsonObject } from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import { isFhirPath } from './fhirpath/library.ts';
import type { Faults, RuleParts } from './place.ts';

export interface ElementContext {
  readonly definition: JsonObject;
  readonly view: 'snapshot' | 'differential';
  readonly parts: RuleParts;
}

/** https://hl7.org/fhir/R4/profiling.html#discriminator: "a restricted FHIRPath". */
const discriminator =
  /^(?:\$this|[a-z][A-Za-z0-9]*(?:\[x\])?|extension\('[^']{1,500}'\)|resolve\(\)|ofType\([A-Za-z.]{1,60}\))(?:\.(?:[a-z][A-Za-z0-9]*(?:\[x\])?|extension\('[^']{1,500}'\)|resolve\(\)|ofType\([A-Za-z.]{1,60}\)))*$/;
const systemType = 'http://hl7.org/fhirpath/System.';
/** What stands for any type. */
const anyTypes = new Set(['*', 'Resource', 'DomainResource', 'Element', 'BackboneElement']);

function checkId(faults: Faults, { id, path }: JsonObject, at: string): void {
  if (typeof id !== 'string' || typeof path !== 'string') return;
  const withoutSlices = id.replace(/:[^.]{1,200}/g, '');
  if (withoutSlices === path) return;
  faults.warn(
    'business-rule',
    'element-id',
    `${at}.id`,
    `'${shown(id)}' is not the path '${shown(path)}' with its slices`,
  );
}

function checkSlicing(faults: Faults, { slicing }: JsonObject, at: string): void {
  if (!isObject(slicing)) return;
  objectsOf(slicing.discriminator).forEach(({ path }, index) => {
    if (typeof path !== 'string' || discriminator.test(path)) return;
    const place = `${at}.slicing.discriminator[${index}].path`;
    faults.error(
      'invalid',
      'element-discriminator',
      place,
      `'${shown(path)}' is not of the FHIRPath that discriminators may use`,
    );
  });
}

function checkTypes(faults: Faults, element: JsonObject, at: string, { definition, parts }: ElementContext): void {
  if (definition.kind === 'logical') return;
  objectsOf(element.type).forEach(({ code }, index) => {
    if (typeof code !== 'string' || code.startsWith(systemType) || anyTypes.has(code)) return;
    if (parts.definitions.type(code) !== undefined || code.includes('/')) return;
    faults.error('code-invalid', 'element-type', `${at}.type[${index}].code`, `'${shown(code)}' is no type of R4`);
  });
}

/** fixed[x] and pattern[x] are of a type that the element may have. */
function checkFixed(faults: Faults, element: JsonObject, at: string): void {
  const codes = objectsOf(element.type).map(({ code }) => textOf(code) ?? '');
  if (codes.length === 0 || codes.includes('*') || codes.some((code) => code.startsWith(systemType))) return;
  const allowed = new Set(codes.map((code) => code.toLowerCase()));
  for (const name in element) {
    const type = /^(?:fixed|pattern)([A-Z]\w*)$/.exec(name)?.[1]?.toLowerCase();
    if (type === undefined || allowed.has(type)) continue;
    faults.error('invalid', 'element-fixed', `${at}.${name}`, `the element may be ${codes.join(', ')}, not that`);
  }
}

function checkConstraints(faults: Faults, element: JsonObject, at: string): void {
  objectsOf(element.constraint).forEach(({ expression, key }, index) => {
    if (typeof expression !== 'string' || isFhirPath(expression)) return;
    const place = `${at}.constraint[${index}].expression`;
    faults.error(
      'invalid',
      'element-constraint',
      place,
      `the expression of ${shown(textOf(key) ?? 'the constraint')} is no FHIRPath`,
    );
  });
}

/** In a snapshot a slice stands somewhere after the element that tells how it is sliced. */
function checkSlices(faults: Faults, elements: readonly JsonObject[], at: string): void {
  const sliced = new Set<string>();
  elements.forEach((element, index) => {
    const path = textOf(element.path) ?? '';
    if (element.slicing !== undefined) sliced.add(path);
    if (element.sliceName === undefined || sliced.has(path) || !path.includes('.')) return;
    const place = `${at}.element[${index}].sliceName`;
    faults.warn('business-rule', 'element-slice', place, `'${shown(path)}' has slices, but no slicing before them`);
  });
}

/** The first element is the type, each other stands below one before it. */
function checkPaths(faults: Faults, elements: readonly JsonObject[], at: string): void {
  const seen = new Set<string>();
  // R4's data elements are snapshots of one element somewhere in a type.
  if (textOf(elements[0]?.path)?.includes('.') === true) return;
  elements.forEach(({ path }, index) => {
    if (typeof path !== 'string') return;
    const dot = path.lastIndexOf('.');
    if (dot !== -1 && !seen.has(path.slice(0, dot)) && !seen.has(path.slice(0, dot).replace(/\[x\]$/, ''))) {
      faults.error(
        'invalid',
        'element-path',
        `${at}.element[${index}].path`,
        `'${shown(path)}' stands before its parent`,
      );
    }
    seen.add(path);
  });
}

export function elementFaults(
  faults: Faults,
  elements: readonly JsonObject[],
  at: string,
  context: ElementContext,
): void {
  elements.forEach((element, index) => {
    const place = `${at}.element[${index}]`;
    checkId(faults, element, place);
    checkSlicing(faults, element, place);
    checkTypes(faults, element, place, context);
    checkFixed(faults, element, place);
    checkConstraints(faults, element, place);
  });
  if (context.view !== 'snapshot') return;
  checkSlices(faults, elements, at);
  checkPaths(faults, elements, at);
}
