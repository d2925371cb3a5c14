// Whose record was merged into another one: https://hl7.org/fhir/R4/patient-definitions.html#Patient.link
import { type JsonObject, objectsOf, type Resource } from '#fhir-model';

/** `Patient/2`, by which the patient was replaced; undefined where it was not. */
export function replacementOf(patient: Resource | undefined): string | undefined {
  const link = objectsOf(patient?.link as JsonObject[] | undefined).find(({ type }) => type === 'replaced-by');
  const { reference } = (link?.other ?? {}) as JsonObject;
  return typeof reference === 'string' ? reference.replace(/\/_history\/.+$/, '') : undefined;
}
