// A resource from JSON text, checked as one that is posted: https://hl7.org/fhir/R4/http.html#create
import { type Definitions, isId, isObject, type Json, parseSentJson, type Resource, type Validator } from '#fhir-model';
import { CerebraError } from '#platform';
import type { OnWrite } from '../validation/on-write.ts';

export interface Checks {
  definitions: Definitions;
  /** None with --no-validate. */
  validator: Validator | undefined;
  /** Profiles; none with --no-validate. */
  onWrite: OnWrite | undefined;
}

/** Throws CerebraError with the issues, their expressions below the resource: `Observation.status`. */
export function checkResource({ definitions, validator }: Omit<Checks, 'onWrite'>, value: Json | undefined): Resource {
  if (!isObject(value)) throw new CerebraError('structure', 'A resource must be a JSON object');
  const { resourceType, id } = value;
  if (typeof resourceType !== 'string' || !definitions.isResourceType(resourceType)) {
    const found = resourceType === undefined ? 'there is none' : `found ${JSON.stringify(resourceType).slice(0, 80)}`;
    throw new CerebraError('structure', `resourceType must be one of R4's resource types, ${found}`);
  }
  if (id !== undefined && !(typeof id === 'string' && isId(id))) {
    throw new CerebraError('invalid', 'The id must match [A-Za-z0-9\\-\\.]{1,64}', {
      expression: [`${resourceType}.id`],
    });
  }
  const resource = value as Resource;
  const issues = validator?.validate(resource).filter(({ severity }) => severity !== 'warning') ?? [];
  if (issues.length > 0) throw new CerebraError('structure', issues[0]!.diagnostics, { issues });
  return resource;
}

function hasNul(value: Json | undefined): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(hasNul);
}

/**
 * JSON of which no string has the character U+0000, which PostgreSQL's texts can't hold and https://hl7.org/fhir/R4/datatypes.html#string
 * forbids. Throws CerebraError.
 */
export function readJson(text: string): Json {
  const { exact } = parseSentJson(text);
  if (text.includes('\\u0000') && hasNul(exact)) {
    throw new CerebraError('invalid', 'A text holds the character U+0000, which FHIR does not allow');
  }
  return exact;
}

/** Throws CerebraError also for text that is no JSON. */
export const readResource = (checks: Omit<Checks, 'onWrite'>, text: string): Resource =>
  checkResource(checks, readJson(text));
