// What fhirpath 5.1.0 can't do as the specification has it: https://hl7.org/fhir/R4/fhirpath.html
import { isRawJson } from './json.ts';

/** Strings, names in quotes, comments: https://hl7.org/fhirpath/N1/grammar.html */
const QUOTED = /'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\/.*|\/\*[\s\S]*?(?:\*\/|$)/g;

const ofObjects = Object.getOwnPropertyNames(Object.prototype).join('|');
const OBJECT_WORDS = new RegExp(`(?!toString\\s*\\()\\b(${ofObjects})\\b`, 'g');
const QUOTED_OBJECT_WORD = new RegExp(`^\`(${ofObjects})\`$`);

/** `change` applied to all but what strings, names in quotes and comments say. */
function outsideQuotes(expression: string, change: (plain: string) => string): string {
  const quoted: string[] = [];
  const plain = expression.replace(QUOTED, (text) => `'${quoted.push(text.replace(QUOTED_OBJECT_WORD, '`$1 `')) - 1}'`);
  return change(plain).replace(/'(\d+)'/g, (_, index) => quoted[Number(index)] ?? '');
}

/**
 * It looks names up as members of JavaScript's objects, each of which has a `constructor` and a `toString`: in their place stand
 * names that nothing has.
 */
export const withoutObjectWords = (expression: string): string =>
  outsideQuotes(expression, (plain) => plain.replace(OBJECT_WORDS, '`$1 `'));

/** It throws on `x as T` where x repeats, too; ofType() means the same and does not. */
export const forLibrary = (expression: string): string =>
  outsideQuotes(withoutObjectWords(expression), (plain) =>
    plain.replace(/([\w.]+(?:\([^()]*\))?) as (\w+)/g, '$1.ofType($2)').replace(/\.as\((\w+)\)/g, '.ofType($1)'),
  );

/** The library marks the objects that it walks, and computes with numbers: it gets a copy, in which decimals are some. */
export function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isRawJson(value)) return Number(value.rawJSON);
  if (Array.isArray(value)) return value.map(copyOf);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copyOf(each)]));
}
