// Elements as JSON has them: https://hl7.org/fhir/R4/json.html
import { isRawJson, type Json, type JsonObject } from '#fhir-model';

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawJson(value);
}

export const asArray = (value: Json | undefined): readonly (Json | undefined)[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

export const objectsOf = (value: Json | undefined): JsonObject[] => asArray(value).filter(isObject);

export const textOf = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

/** `value` and `Quantity`: `valueQuantity`. */
export const choiceName = (stem: string, type: string): string =>
  `${stem}${type.charAt(0).toUpperCase()}${type.slice(1)}`;

/** The texts of an array. */
export const stringsOf = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
