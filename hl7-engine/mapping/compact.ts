// JSON without empty elements: https://hl7.org/fhir/R4/json.html ("Objects are never empty", "arrays cannot be empty")
import { isRawJson, type Json, type JsonObject } from '#fhir-model';
import type { Hl7Message } from '../message/message.ts';

// https://hl7.org/fhir/R4/datatypes.html#string: none below 32 but tab, carriage return and line feed.
const control = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;
const controls = new RegExp(control, 'g');

/**
 * A copy without undefined, '', [] and {} at any depth, and without control characters; undefined when nothing is left. Of a
 * message that has none (`clean`) they are not looked for in each text: a fifteenth of the time of mapping it.
 */
export function compact<T extends Json>(value: T | undefined, clean = false): T | undefined {
  return compacted(value, clean) as T | undefined;
}

function compacted(value: Json | undefined, clean: boolean): Json | undefined {
  if (typeof value === 'string') {
    return (clean || !control.test(value) ? value : value.replaceAll(controls, '')) || undefined;
  }
  if (typeof value !== 'object' || value === null || isRawJson(value)) return value;
  return Array.isArray(value) ? compactedList(value, clean) : compactedObject(value, clean);
}

function compactedList(list: Json[], clean: boolean): Json[] | undefined {
  const items: Json[] = [];
  for (const item of list) {
    const kept = compacted(item, clean);
    if (kept !== undefined) items.push(kept);
  }
  return items.length === 0 ? undefined : items;
}

// A quarter of the time of mapping a message: `for in` is twice as fast here as Object.entries.
function compactedObject(object: JsonObject, clean: boolean): JsonObject | undefined {
  let result: JsonObject | undefined;
  for (const name in object) {
    const kept = compacted(object[name], clean);
    if (kept === undefined) continue;
    result ??= {};
    result[name] = kept;
  }
  return result;
}

/** Whether no text of the message can hold a control character: none stands in it, and none is written as an escape. */
export function isClean({ segments, delimiters }: Hl7Message): boolean {
  for (const { name, raw } of segments) {
    if (control.test(raw)) return false;
    if (name !== 'MSH' && delimiters.escape !== '' && raw.includes(delimiters.escape)) return false;
  }
  return true;
}

/** The items of a list that may not be there. */
export const list = (value: unknown): JsonObject[] => (Array.isArray(value) ? (value as JsonObject[]) : []);
