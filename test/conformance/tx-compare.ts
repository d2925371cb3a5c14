// Whether an answer is what a terminology case expects. The rules are of https://github.com/HL7/fhir-tx-ecosystem-ig: array
// order never matters; what `$optional$` and `$optional-properties$` name may be absent; `$…$` texts match by kind.
import { isDeepStrictEqual } from 'node:util';

type Value = unknown;
type Fields = Record<string, Value>;

const isObject = (value: Value): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const KINDS: Record<string, RegExp> = {
  $id$: /^[A-Za-z0-9\-.]{1,64}$/,
  $uuid$: /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  $instant$: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
  $$: /^[\s\S]*$/,
  $string$: /^[\s\S]*$/,
  $date$: /^\d{4}(-\d\d(-\d\d)?)?/,
  $url$: /^[a-z][a-z0-9+.-]*:/,
};

/**
 * Of the same message some cases set apostrophes around a URL and some do not; such marks are left out of account, and how
 * much white space there is.
 */
const plain = (text: string): string => text.replaceAll("'", '').replace(/\s+/g, ' ').trim();

function textFits(expected: string, actual: Value): boolean {
  if (typeof actual !== 'string') return false;
  const kind = KINDS[expected];
  if (kind) return kind.test(actual);
  // A text of the server's own, with this in it.
  const external = /^\$external:\d+(?::([\s\S]*))?\$$/.exec(expected);
  if (external) return plain(actual).includes(plain(external[1] ?? ''));
  const choice = /^\$choice:([\s\S]*)\$$/.exec(expected);
  if (choice) return choice[1]!.split('|').includes(actual);
  const fragments = /^\$fragments:([\s\S]*)\$$/.exec(expected);
  if (fragments) return fragments[1]!.split('|').every((part) => actual.includes(part));
  return plain(expected) === plain(actual);
}

const isOptional = (value: Value): boolean => isObject(value) && value.$optional$ !== undefined;

/** Each expected item finds an item of its own, optional ones last; undefined when all do and none is left over. */
function itemsDiffer(expected: readonly Value[], actual: readonly Value[], at: string): string | undefined {
  const left = [...actual];
  const order = [...expected.filter((item) => !isOptional(item)), ...expected.filter(isOptional)];
  for (const item of order) {
    const found = left.findIndex((one) => differs(item, one, at) === undefined);
    if (found !== -1) left.splice(found, 1);
    else if (!isOptional(item)) {
      const near = left.map((one) => differs(item, one, at)).sort((a, b) => b!.length - a!.length)[0];
      return `${at}: no item like ${JSON.stringify(item).slice(0, 300)} (${near ?? 'there is none left'})`;
    }
  }
  if (left.length > 0) return `${at}: unexpected ${JSON.stringify(left[0]).slice(0, 300)}`;
  return undefined;
}

function fieldsDiffer(expected: Fields, actual: Fields, at: string): string | undefined {
  const optional = new Set((expected['$optional-properties$'] as string[] | undefined) ?? []);
  for (const [name, value] of Object.entries(expected)) {
    if (name.startsWith('$')) continue;
    const given = actual[name];
    if (given === undefined) {
      const absent = optional.has(name) || (Array.isArray(value) && value.every(isOptional));
      if (absent || isOptional(value)) continue;
      return `${at}.${name} is missing`;
    }
    const difference = differs(value, given, `${at}.${name}`);
    if (difference !== undefined) return difference;
  }
  const extra = Object.keys(actual).find((name) => expected[name] === undefined && !optional.has(name));
  return extra === undefined
    ? undefined
    : `${at}.${extra} is unexpected: ${JSON.stringify(actual[extra]).slice(0, 200)}`;
}

/** What the first difference is, and where; undefined when the answer fits. */
export function differs(expected: Value, actual: Value, at: string): string | undefined {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return `${at} is no array`;
    return itemsDiffer(expected, actual, at);
  }
  if (isObject(expected)) return isObject(actual) ? fieldsDiffer(expected, actual, at) : `${at} is no object`;
  const same = typeof expected === 'string' ? textFits(expected, actual) : isDeepStrictEqual(expected, actual);
  return same ? undefined : `${at} is ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`;
}
