// A CapabilityStatement in itself: https://hl7.org/fhir/R4/capabilitystatement.html
import type { Json, JsonObject } from '#fhir-model';
import { objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import type { Fault } from './fault.ts';
import { eachRepeated, type Faults, faultList, type RuleParts } from './place.ts';

function checkIncludes(faults: Faults, values: Json | undefined, at: string, parts: RuleParts): void {
  if (!Array.isArray(values)) return;
  values.forEach((value, index) => {
    if (typeof value !== 'string' || value === '*') return;
    const [type = '', param] = value.split(/[:.]/);
    const known = parts.isResourceType(type) && param !== undefined && param !== '';
    // `Account.owner` is how R4's own statements write it, `encounter` some examples.
    if (known || /^[a-z_][\w-]*$/.test(value)) return;
    faults.warn(
      'business-rule',
      'capability-include',
      `${at}[${index}]`,
      `'${shown(value)}' is not of the form Type:parameter`,
    );
  });
}

function checkResource(faults: Faults, resource: JsonObject, at: string, parts: RuleParts): void {
  const codes = objectsOf(resource.interaction).map(({ code }) => textOf(code));
  eachRepeated(codes, (code, index) => {
    faults.warn(
      'business-rule',
      'capability-duplicate',
      `${at}.interaction[${index}].code`,
      `the interaction '${shown(code ?? '')}' is listed twice`,
    );
  });
  const names = objectsOf(resource.operation).map(({ name }) => textOf(name));
  eachRepeated(names, (name, index) => {
    faults.warn(
      'business-rule',
      'capability-duplicate',
      `${at}.operation[${index}].name`,
      `the operation '${shown(name ?? '')}' is listed twice`,
    );
  });
  names.forEach((name, index) => {
    if (name?.startsWith('$') !== true) return;
    faults.warn(
      'business-rule',
      'capability-operation',
      `${at}.operation[${index}].name`,
      'the name of an operation is written without $',
    );
  });
  checkIncludes(faults, resource.searchInclude, `${at}.searchInclude`, parts);
  checkIncludes(faults, resource.searchRevInclude, `${at}.searchRevInclude`, parts);
  if (resource.conditionalUpdate === true && !codes.includes('update')) {
    faults.warn(
      'business-rule',
      'capability-conditional',
      `${at}.conditionalUpdate`,
      'conditional update without update',
    );
  }
  if (resource.conditionalCreate === true && !codes.includes('create')) {
    faults.warn(
      'business-rule',
      'capability-conditional',
      `${at}.conditionalCreate`,
      'conditional create without create',
    );
  }
}

/** Uniqueness of types and parameters is cpb-9 and cpb-12. `at` is the resource's path. */
export function capabilityStatementFaults(statement: JsonObject, at: string, parts: RuleParts): Fault[] {
  const faults = faultList();
  objectsOf(statement.rest).forEach((rest, index) => {
    objectsOf(rest.resource).forEach((resource, place) => {
      checkResource(faults, resource, `${at}.rest[${index}].resource[${place}]`, parts);
    });
  });
  return faults.list;
}
