// Elements as JSON has them: https://hl7.org/fhir/R4/json.html
import { isObject, type Json, type JsonObject } from '#fhir-model';

export { choiceName, isObject } from '#fhir-model';

export const asArray = (value: Json | undefined): readonly (Json | undefined)[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

export const objectsOf = (value: Json | undefined): JsonObject[] => asArray(value).filter(isObject);

export const textOf = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

/** Unicode characters: one that JavaScript has as two units is one. */
export function charactersIn(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** The texts of an array. */
export const stringsOf = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
