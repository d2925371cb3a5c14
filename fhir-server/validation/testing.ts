// A validator with profiles that a test has made up, of differentials.
import { type Issue, type Json, type JsonObject, loadCoreResources, loadDefinitions, type Resource } from '#fhir-model';
import type { ValidateCodes } from './profile/ask-codes.ts';
import {
  createResourceValidator,
  type ProfileSource,
  type ResourceValidator,
  type ValidateOptions,
} from './validate.ts';

const [definitions, core] = await Promise.all([loadDefinitions(), loadCoreResources()]);

export const base = 'http://example.org/fhir';

/** A profile of a resource type or data type; `name` ends its url. */
export function profileOf(type: string, name: string, element: JsonObject[], more: JsonObject = {}): Resource {
  return {
    resourceType: 'StructureDefinition',
    url: `${base}/StructureDefinition/${name}`,
    name,
    status: 'active',
    fhirVersion: '4.0.1',
    kind: /^[A-Z]/.test(type) && definitions.isResourceType(type) ? 'resource' : 'complex-type',
    abstract: false,
    type,
    baseDefinition: `http://hl7.org/fhir/StructureDefinition/${type}`,
    derivation: 'constraint',
    differential: { element: element.map((each) => ({ id: each.path, ...each })) as Json[] },
    ...more,
  };
}

/** The definition of an extension with a value of one type. */
export function extensionOf(name: string, type: string, more: JsonObject = {}): Resource {
  const url = `${base}/StructureDefinition/${name}`;
  const elements: JsonObject[] = [
    {
      path: 'Extension',
      isModifier: more.modifier === true,
      ...(more.modifier === true ? { isModifierReason: 'test' } : {}),
    },
    { path: 'Extension.extension', max: '0' },
    { path: 'Extension.url', fixedUri: url },
    { path: 'Extension.value[x]', min: 1, type: [{ code: type }] },
  ];
  const { modifier: _, ...rest } = more;
  return profileOf('Extension', name, elements, { context: [{ type: 'element', expression: 'Patient' }], ...rest });
}

/** Asks `find` for definitions. */
export function validatorOf(find: ProfileSource['find'], validateCodes?: ValidateCodes): ResourceValidator {
  const clock = { now: () => Date.parse('2026-01-01T00:00:00Z') };
  return createResourceValidator({ definitions, clock, profiles: { find }, validateCodes });
}

/** Finds these, and R4's own definitions. */
export function findAmong(...resources: Resource[]): ProfileSource['find'] {
  return async (type, canonical) => {
    const [url = '', version] = canonical.split('|');
    const own = resources.find((each) => each.resourceType === type && each.url === url);
    if (own !== undefined && (version === undefined || own.version === version)) return own;
    return version === undefined || core.version(type, url) === version ? core.read(type, url) : undefined;
  };
}

export const validatorWith = (...resources: Resource[]): ResourceValidator => validatorOf(findAmong(...resources));

const line = ({ severity, messageId, expression }: Issue) => `${severity} ${messageId} ${expression?.join(' ')}`;

/** `error cardinality-min Patient.name`: each issue as severity, message id and expression. */
export async function found(
  validator: ResourceValidator,
  resource: JsonObject,
  options?: ValidateOptions,
): Promise<string[]> {
  return (await validator.validateResource(resource as Resource, options)).map(line);
}

/** The same of one resource against one profile, with R4's own StructureDefinitions at hand. */
export function against(profile: Resource, resource: JsonObject, ...others: Resource[]): Promise<string[]> {
  return found(validatorWith(profile, ...others), resource, { profiles: [String(profile.url)] });
}
