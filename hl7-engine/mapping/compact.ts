// JSON without empty elements: https://hl7.org/fhir/R4/json.html ("Objects are never empty", "arrays cannot be empty")
import { isRawJson, type Json, type JsonObject } from '#fhir-model';

// https://hl7.org/fhir/R4/datatypes.html#string: none below 32 but tab, carriage return and line feed.
const control = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;
const controls = new RegExp(control, 'g');

/** A copy without undefined, '', [] and {} at any depth, and without control characters; undefined when nothing is left. */
export function compact<T extends Json>(value: T | undefined): T | undefined {
  return compacted(value) as T | undefined;
}

function compacted(value: Json | undefined): Json | undefined {
  if (typeof value === 'string') return (control.test(value) ? value.replaceAll(controls, '') : value) || undefined;
  if (typeof value !== 'object' || value === null || isRawJson(value)) return value;
  return Array.isArray(value) ? compactedList(value) : compactedObject(value);
}

function compactedList(list: Json[]): Json[] | undefined {
  const items: Json[] = [];
  for (const item of list) {
    const kept = compacted(item);
    if (kept !== undefined) items.push(kept);
  }
  return items.length === 0 ? undefined : items;
}

// A quarter of the time of mapping a message: `for in` is twice as fast here as Object.entries.
function compactedObject(object: JsonObject): JsonObject | undefined {
  let result: JsonObject | undefined;
  for (const name in object) {
    const kept = compacted(object[name]);
    if (kept === undefined) continue;
    result ??= {};
    result[name] = kept;
  }
  return result;
}
