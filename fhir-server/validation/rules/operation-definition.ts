// An OperationDefinition in itself: https://hl7.org/fhir/R4/operationdefinition.html
import type { JsonObject } from '#fhir-model';
import { objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import type { Fault } from './fault.ts';
import { eachRepeated, type Faults, faultList, type RuleParts } from './place.ts';

/** https://hl7.org/fhir/R4/valueset-all-types.html has these beside R4's types. */
const anyTypes = new Set(['Any', 'Type', 'Resource', 'DomainResource', 'Element']);
const levelsMax = 20;

function checkCardinality(faults: Faults, { min, max }: JsonObject, at: string): void {
  if (typeof max !== 'string') return;
  if (max !== '*' && !/^\d{1,9}$/.test(max)) {
    faults.error('value', 'operation-max', `${at}.max`, `max is a number or *, found '${shown(max)}'`);
  } else if (max !== '*' && typeof min === 'number' && min > Number(max)) {
    faults.error('invalid', 'operation-max', `${at}.max`, `max ${max} is below min ${min}`);
  }
}

function checkParameters(
  faults: Faults,
  owner: JsonObject,
  name: 'parameter' | 'part',
  at: string,
  parts: RuleParts,
  level = 0,
): void {
  const parameters = objectsOf(owner[name]);
  eachRepeated(
    parameters.map((parameter) => `${textOf(parameter.use) ?? ''} ${textOf(parameter.name) ?? ''}`),
    (_, index) => {
      faults.error(
        'business-rule',
        'operation-duplicate',
        `${at}.${name}[${index}].name`,
        'there is a parameter of this name and use already',
      );
    },
  );
  parameters.forEach((parameter, index) => {
    const here = `${at}.${name}[${index}]`;
    const type = textOf(parameter.type);
    if (type !== undefined && !anyTypes.has(type) && parts.definitions.type(type) === undefined) {
      faults.error('code-invalid', 'operation-type', `${here}.type`, `'${shown(type)}' is no type of R4`);
    }
    if (type !== undefined && parameter.part !== undefined) {
      faults.warn('business-rule', 'operation-part', here, 'a parameter has either a type or parts');
    }
    checkCardinality(faults, parameter, here);
    if (level < levelsMax) checkParameters(faults, parameter, 'part', here, parts, level + 1);
  });
}

/** `at` is the resource's path. */
export function operationDefinitionFaults(operation: JsonObject, at: string, parts: RuleParts): Fault[] {
  const faults = faultList();
  const { system, type, instance, resource } = operation;
  if (system === false && type === false && instance === false) {
    faults.error(
      'business-rule',
      'operation-level',
      at,
      'it can be called on no level: system, type and instance are all false',
    );
  }
  if ((type === true || instance === true) && resource === undefined) {
    faults.warn('business-rule', 'operation-resource', at, 'it does not say for which resource types it is');
  }
  for (const [index, name] of (Array.isArray(resource) ? resource : []).entries()) {
    if (typeof name !== 'string' || anyTypes.has(name) || parts.isResourceType(name)) continue;
    faults.error(
      'code-invalid',
      'operation-resource',
      `${at}.resource[${index}]`,
      `'${shown(name)}' is no resource type`,
    );
  }
  checkParameters(faults, operation, 'parameter', at, parts);
  return faults.list;
}
