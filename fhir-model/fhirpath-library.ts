// What fhirpath 5.1.0 can't do as the specification has it: https://hl7.org/fhir/R4/fhirpath.html
import { isRawJson } from './json.ts';

const STRINGS = /'(?:[^'\\]|\\.)*'/g;

/** It throws on `x as T` where x repeats; ofType() means the same and does not. What strings say stays. */
export function withoutAs(expression: string): string {
  const strings: string[] = [];
  const plain = expression.replace(STRINGS, (text) => `'${strings.push(text) - 1}'`);
  const changed = plain
    .replace(/([\w.]+(?:\([^()]*\))?) as (\w+)/g, '$1.ofType($2)')
    .replace(/\.as\((\w+)\)/g, '.ofType($1)');
  return changed.replace(/'(\d+)'/g, (_, index) => strings[Number(index)] ?? '');
}

/** The library marks the objects that it walks, and computes with numbers: it gets a copy, in which decimals are some. */
export function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isRawJson(value)) return Number(value.rawJSON);
  if (Array.isArray(value)) return value.map(copyOf);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copyOf(each)]));
}
