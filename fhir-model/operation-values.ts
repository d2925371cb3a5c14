// What operations take and return: https://hl7.org/fhir/R4/operations.html
import type { OperationInput, OperationValue } from './ports.ts';
import type { JsonObject, Resource } from './types.ts';

/** A Parameters resource; without any parameter it has no `parameter` element. */
export const parametersOf = (parameter: JsonObject[]): Resource => ({
  resourceType: 'Parameters',
  ...(parameter.length > 0 ? { parameter } : {}),
});

/** The first value of an input parameter; its kind is sure once the input was read against the spec. */
export const one = <T extends OperationValue>(input: OperationInput, name: string): T | undefined =>
  input.get(name)?.[0] as T | undefined;

/** All values of an input parameter. */
export const all = <T extends OperationValue>(input: OperationInput, name: string): T[] =>
  [...(input.get(name) ?? [])] as T[];
