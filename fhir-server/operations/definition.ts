// https://hl7.org/fhir/R4/operationdefinition.html: derived from the same data as the routes.
import type { JsonObject, OperationParameter, OperationSpec, Resource } from '#fhir-model';

function parameterElement(parameter: OperationParameter): JsonObject {
  const { name, use, min, max, type, documentation, part } = parameter;
  return {
    name,
    use,
    min,
    max,
    ...(documentation === undefined ? {} : { documentation }),
    ...(type === undefined ? {} : { type }),
    ...(part === undefined ? {} : { part: part.map(parameterElement) }),
  };
}

/** The last part of its URL: `Patient-everything`. */
export const definitionId = (spec: OperationSpec): string => spec.url.slice(spec.url.lastIndexOf('/') + 1);

/** `everything` of `Patient-everything` → `PatientEverything`: a name for code, as inv-0 has it. */
const codeName = (id: string): string => id.replace(/(?:^|-)([a-z])/gi, (_, letter: string) => letter.toUpperCase());

export function operationDefinition(spec: OperationSpec): Resource {
  const id = definitionId(spec);
  const types = spec.type === true ? ['Resource'] : [...spec.type];
  return {
    resourceType: 'OperationDefinition',
    id,
    url: spec.url,
    name: codeName(id),
    title: spec.title,
    status: 'active',
    kind: 'operation',
    description: spec.description,
    affectsState: spec.affectsState,
    code: spec.name,
    ...(types.length > 0 ? { resource: types } : {}),
    system: spec.system,
    type: spec.typeLevel,
    instance: spec.instanceLevel,
    ...(spec.parameters.length > 0 ? { parameter: spec.parameters.map(parameterElement) } : {}),
  };
}
