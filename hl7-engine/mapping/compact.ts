// JSON without empty elements: https://hl7.org/fhir/R4/json.html ("Objects are never empty", "arrays cannot be empty")
import { isRawJson, type Json, type JsonObject } from '#fhir-model';

// https://hl7.org/fhir/R4/datatypes.html#string: none below 32 but tab, carriage return and line feed.
const controls = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/** A copy without undefined, '', [] and {} at any depth, and without control characters; undefined when nothing is left. */
export function compact<T extends Json>(value: T | undefined): T | undefined {
  if (typeof value === 'string') return (value.replaceAll(controls, '') || undefined) as T | undefined;
  if (value === undefined || typeof value !== 'object' || value === null || isRawJson(value)) return value;
  if (Array.isArray(value)) {
    const items = value.map((item) => compact(item)).filter((item) => item !== undefined);
    return items.length === 0 ? undefined : (items as Json as T);
  }
  const result: JsonObject = {};
  let empty = true;
  for (const [name, element] of Object.entries(value as JsonObject)) {
    const kept = compact(element);
    if (kept === undefined) continue;
    result[name] = kept;
    empty = false;
  }
  return empty ? undefined : (result as T);
}
