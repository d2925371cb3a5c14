// A ValueSet in itself: https://hl7.org/fhir/R4/valueset.html
import { isAbsolute, type JsonObject } from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import type { Fault } from './fault.ts';
import { isPattern } from './fhirpath/pattern.ts';
import { eachRepeated, type Faults, faultList } from './place.ts';

const parameterExtension = 'http://hl7.org/fhir/tools/StructureDefinition/valueset-parameter';
const expressionExtension = 'http://hl7.org/fhir/StructureDefinition/cqf-expression';

function checkSystem(faults: Faults, system: string, at: string): void {
  if (!isAbsolute(system)) {
    const hint = system.startsWith('#') ? ': name a contained code system by its URL' : '';
    faults.error(
      'invalid',
      'value-set-system',
      `${at}.system`,
      `the system is an absolute URI, found '${shown(system)}'${hint}`,
    );
  } else if (/\/ValueSet\/[^/]+$/.test(system)) {
    faults.warn(
      'invalid',
      'value-set-system',
      `${at}.system`,
      `'${shown(system)}' looks like a value set, not a code system`,
    );
  }
}

function checkFilter(faults: Faults, { op, value, _value }: JsonObject, at: string): void {
  if (typeof value !== 'string') {
    if (_value === undefined) faults.error('required', 'value-set-filter', `${at}.value`, 'a filter has a value');
    return;
  }
  if (op === 'exists' && value !== 'true' && value !== 'false') {
    faults.error(
      'value',
      'value-set-filter',
      `${at}.value`,
      `with op exists the value is true or false, found '${shown(value)}'`,
    );
  }
  if (op !== 'regex' || isPattern(value)) return;
  faults.error('value', 'value-set-filter', `${at}.value`, `'${shown(value)}' is no regular expression`);
}

/** The names that expressions in the value of a filter use. */
function namesUsed(filter: JsonObject): string[] {
  const companion = isObject(filter._value) ? filter._value : {};
  const expressions = objectsOf(companion.extension)
    .filter(({ url }) => url === expressionExtension)
    .map(({ valueExpression }) => (isObject(valueExpression) ? textOf(valueExpression.expression) : undefined));
  return expressions.flatMap((expression) => /^\s*%([A-Za-z_][\w-]*)\s*$/.exec(expression ?? '')?.[1] ?? []);
}

function parametersOf(valueSet: JsonObject): string[] {
  return objectsOf(valueSet.extension)
    .filter(({ url }) => url === parameterExtension)
    .flatMap(({ extension }) => objectsOf(extension).filter(({ url }) => url === 'name'))
    .flatMap(({ valueCode }) => textOf(valueCode) ?? []);
}

function checkInclude(faults: Faults, include: JsonObject, at: string, declared: ReadonlySet<string>): void {
  const system = textOf(include.system);
  if (system !== undefined) checkSystem(faults, system, at);
  const codes = objectsOf(include.concept).map(({ code }) => textOf(code));
  eachRepeated(codes, (code, index) => {
    faults.warn(
      'business-rule',
      'value-set-duplicate',
      `${at}.concept[${index}].code`,
      `'${shown(code ?? '')}' is listed twice`,
    );
  });
  objectsOf(include.filter).forEach((filter, index) => {
    const place = `${at}.filter[${index}]`;
    checkFilter(faults, filter, place);
    for (const name of namesUsed(filter)) {
      if (!declared.has(name)) {
        faults.error(
          'exception',
          'value-set-parameter',
          `${place}.value`,
          `'%${shown(name)}' is no parameter of this value set`,
        );
      }
    }
  });
}

function checkExpansion(faults: Faults, expansion: JsonObject, at: string): void {
  const { total, offset } = expansion;
  const listed = objectsOf(expansion.contains).length;
  if (typeof total === 'number' && offset === undefined && total < listed) {
    faults.warn('business-rule', 'value-set-total', `${at}.total`, `total says ${total}, there are ${listed} entries`);
  }
}

/** `at` is the resource's path. */
export function valueSetFaults(valueSet: JsonObject, at: string): Fault[] {
  const faults = faultList();
  const compose = isObject(valueSet.compose) ? valueSet.compose : {};
  const declared = new Set(parametersOf(valueSet));
  for (const part of ['include', 'exclude'] as const) {
    objectsOf(compose[part]).forEach((include, index) => {
      checkInclude(faults, include, `${at}.compose.${part}[${index}]`, declared);
    });
  }
  if (isObject(valueSet.expansion)) checkExpansion(faults, valueSet.expansion, `${at}.expansion`);
  return faults.list;
}
