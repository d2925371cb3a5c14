// A SearchParameter in itself: https://hl7.org/fhir/R4/searchparameter.html
import type { Json, JsonObject } from '#fhir-model';
import { objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import type { Fault } from './fault.ts';
import { isFhirPath } from './fhirpath/library.ts';
import { type Faults, faultList, type RuleParts } from './place.ts';

/** https://hl7.org/fhir/R4/search.html#prefix: types whose values have an order. */
const compared = new Set(['number', 'date', 'quantity']);
/** https://hl7.org/fhir/R4/search.html#modifiers */
const modifiers: Readonly<Record<string, readonly string[]>> = {
  string: ['missing', 'exact', 'contains', 'text'],
  token: ['missing', 'text', 'not', 'in', 'not-in', 'below', 'above', 'ofType'],
  reference: ['missing', 'type', 'identifier', 'above', 'below', 'text', 'in', 'not-in'],
  uri: ['missing', 'below', 'above', 'exact', 'contains'],
  number: ['missing'],
  date: ['missing'],
  quantity: ['missing'],
  composite: ['missing'],
};

const textsOf = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];

function checkExpression(faults: Faults, { expression, type, code }: JsonObject, at: string): void {
  if (typeof expression === 'string') {
    if (!isFhirPath(expression))
      faults.error(
        'invalid',
        'search-parameter-expression',
        `${at}.expression`,
        `'${shown(expression)}' is no FHIRPath`,
      );
  } else if (type !== 'composite' && type !== 'special' && textOf(code)?.startsWith('_') !== true) {
    faults.warn('business-rule', 'search-parameter-expression', at, 'without an expression nothing can be found by it');
  }
}

function checkBase(faults: Faults, { base, expression, target }: JsonObject, at: string, parts: RuleParts): void {
  const isType = (name: string): boolean =>
    parts.isResourceType(name) || name === 'Resource' || name === 'DomainResource';
  textsOf(base).forEach((name, index) => {
    if (!isType(name))
      faults.error(
        'code-invalid',
        'search-parameter-base',
        `${at}.base[${index}]`,
        `'${shown(name)}' is no resource type`,
      );
  });
  textsOf(target).forEach((name, index) => {
    if (!isType(name))
      faults.error(
        'code-invalid',
        'search-parameter-target',
        `${at}.target[${index}]`,
        `'${shown(name)}' is no resource type`,
      );
  });
  if (typeof expression !== 'string') return;
  const first = /^\s*\(*\s*([A-Z][A-Za-z]+)\b/.exec(expression.slice(0, 200))?.[1];
  const bases = textsOf(base);
  if (first === undefined || !isType(first) || first.endsWith('Resource') || bases.includes(first)) return;
  if (bases.some((name) => name.endsWith('Resource'))) return;
  faults.warn(
    'business-rule',
    'search-parameter-base',
    `${at}.expression`,
    `begins with ${first}, which is not in base`,
  );
}

/** Plain paths only: what functions select can't be told without a resource. */
const plainPath = /^[A-Z][A-Za-z]{0,80}(?:\.[a-z][A-Za-z0-9]{0,80}){1,20}$/;
const charactersMax = 2000;

/** The first step of a path that no type has which stands there: https://hl7.org/fhir/R4/searchparameter.html */
function unknownStep({ definitions }: RuleParts, path: string): { owner: string; name: string } | undefined {
  const [root = '', ...names] = path.split('.');
  let types = [root];
  for (const name of names) {
    const known = types.map((type) => definitions.type(type));
    // What stands in a Bundle or is contained may be of any type.
    if (types.includes('Resource') && types[0] !== root) return undefined;
    if (known.some((type) => type === undefined)) return undefined;
    const found = known.flatMap((type) => type!.elements.filter((element) => element.name === name));
    if (found.length === 0) return { owner: types.slice(0, 3).join(', '), name };
    types = found.flatMap((element) => element.types);
  }
  return undefined;
}

function checkPaths(faults: Faults, { expression }: JsonObject, at: string, parts: RuleParts): void {
  if (typeof expression !== 'string' || expression.length > charactersMax) return;
  for (const path of expression.split('|').map((one) => one.trim())) {
    const unknown = plainPath.test(path) ? unknownStep(parts, path) : undefined;
    if (unknown === undefined) continue;
    const message = `${shown(unknown.owner)} has no element '${shown(unknown.name)}': nothing can be found by it`;
    faults.warn('business-rule', 'search-parameter-path', `${at}.expression`, message);
  }
}

function checkType(faults: Faults, { type, target, comparator, component, modifier }: JsonObject, at: string): void {
  if (typeof type !== 'string') return;
  if (target !== undefined && type !== 'reference') {
    faults.warn(
      'business-rule',
      'search-parameter-target',
      `${at}.target`,
      `target is for references, this is a ${type}`,
    );
  }
  if (comparator !== undefined && !compared.has(type)) {
    faults.warn(
      'business-rule',
      'search-parameter-comparator',
      `${at}.comparator`,
      `values of a ${type} have no order`,
    );
  }
  const allowed = Object.hasOwn(modifiers, type) ? modifiers[type] : undefined;
  textsOf(modifier).forEach((name, index) => {
    if (allowed === undefined || allowed.includes(name)) return;
    faults.warn(
      'business-rule',
      'search-parameter-modifier',
      `${at}.modifier[${index}]`,
      `a ${type} has no modifier '${shown(name)}'`,
    );
  });
  const components = objectsOf(component);
  if (type === 'composite' && components.length < 2) {
    faults.error(
      'required',
      'search-parameter-component',
      `${at}.component`,
      'a composite has two components at least',
    );
  }
  if (type !== 'composite' && components.length > 0) {
    faults.error(
      'business-rule',
      'search-parameter-component',
      `${at}.component`,
      `components are for composites, this is a ${type}`,
    );
  }
  components.forEach((one, index) => {
    const expression = textOf(one.expression);
    if (expression === undefined || isFhirPath(expression)) return;
    faults.error(
      'invalid',
      'search-parameter-expression',
      `${at}.component[${index}].expression`,
      `'${shown(expression)}' is no FHIRPath`,
    );
  });
}

/** `at` is the resource's path. */
export function searchParameterFaults(parameter: JsonObject, at: string, parts: RuleParts): Fault[] {
  const faults = faultList();
  checkExpression(faults, parameter, at);
  checkBase(faults, parameter, at, parts);
  checkPaths(faults, parameter, at, parts);
  checkType(faults, parameter, at);
  return faults.list;
}
