// The grammar of _filter: https://hl7.org/fhir/R4/search_filter.html

import { filterDepthMax, filterTestsMax } from './search-limits.ts';
import { parameterError, quote } from './value-context.ts';

export type Filter =
  | { kind: 'and' | 'or'; filters: Filter[] }
  | { kind: 'not'; filter: Filter }
  | { kind: 'test'; path: FilterStep[]; operator: FilterOperator; value: string };

/** `code`, `subject:Patient` or, of `subject[gender eq male].name`, the link with what is asked of its target. */
export interface FilterStep {
  /** As written; `_has:Observation:patient` is a step too. */
  name: string;
  filter?: Filter;
}

/** https://hl7.org/fhir/R4/search_filter.html#ops */
export const filterOperators = [
  'eq',
  'ne',
  'co',
  'sw',
  'ew',
  'gt',
  'lt',
  'ge',
  'le',
  'ap',
  'sa',
  'eb',
  'pr',
  'po',
  'ss',
  'sb',
  'in',
  'ni',
  're',
] as const;

export type FilterOperator = (typeof filterOperators)[number];

interface Reader {
  text: string;
  at: number;
  depth: number;
  tests: number;
}

function wrong(
  reader: Reader,
  expected: string,
  code: 'invalid-parameter' | 'too-costly' = 'invalid-parameter',
): never {
  const rest = reader.text.slice(reader.at, reader.at + 40);
  const place = rest === '' ? 'at the end' : `at character ${reader.at + 1}, before ${quote(rest)}`;
  throw parameterError(code, '_filter', `${expected} ${place}`);
}

function skipSpace(reader: Reader): void {
  while (/\s/.test(reader.text[reader.at] ?? '')) reader.at++;
}

/** The match at the place where the reader stands, if there is one; goes on behind it. `pattern` is sticky. */
function take(reader: Reader, pattern: RegExp): string | undefined {
  skipSpace(reader);
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.text)?.[0];
  if (found !== undefined) reader.at += found.length;
  return found;
}

function expect(reader: Reader, character: string): void {
  skipSpace(reader);
  if (reader.text[reader.at] !== character) wrong(reader, `expected '${character}'`);
  reader.at++;
}

function nested(reader: Reader, close: string): Filter {
  if (reader.depth >= filterDepthMax) {
    wrong(reader, `filters may be nested ${filterDepthMax} deep; too many`, 'too-costly');
  }
  reader.depth++;
  const filter = readFilter(reader);
  reader.depth--;
  expect(reader, close);
  return filter;
}

const HAS_STEP = /_has:[A-Za-z]+:[A-Za-z_][A-Za-z0-9_-]*(?=:)/y;
const NAME = /[A-Za-z_][A-Za-z0-9_-]*(?::[A-Za-z]+)?/y;

/** `subject[filter].name`, `_has:Observation:patient:code` */
function readPath(reader: Reader): FilterStep[] {
  const path: FilterStep[] = [];
  for (;;) {
    const has = take(reader, HAS_STEP);
    if (has !== undefined) {
      path.push({ name: has });
      reader.at++;
      continue;
    }
    const name = take(reader, NAME) ?? wrong(reader, 'expected the name of a search parameter');
    const bracket = reader.text[reader.at] === '[';
    if (bracket) reader.at++;
    path.push(bracket ? { name, filter: nested(reader, ']') } : { name });
    if (reader.text[reader.at] === '.') reader.at++;
    else if (bracket) wrong(reader, "expected '.' and a parameter after the brackets,");
    else return path;
  }
}

const WORD = /[A-Za-z]+(?=[\s"(]|$)/y;

function readOperator(reader: Reader): FilterOperator {
  const start = reader.at;
  const word = take(reader, WORD)?.toLowerCase();
  const operator = filterOperators.find((each) => each === word);
  if (operator !== undefined) return operator;
  reader.at = start;
  skipSpace(reader);
  return wrong(reader, `expected one of ${filterOperators.join(', ')}`);
}

const STRING = /"(?:[^"\\]|\\.)*"/sy;
const TOKEN = /[^\s"()\]][^\s)\]]*/y;

function readValue(reader: Reader): string {
  const string = take(reader, STRING);
  if (string === undefined) return take(reader, TOKEN) ?? wrong(reader, 'expected a value');
  try {
    return JSON.parse(string) as string;
  } catch {
    reader.at -= string.length;
    return wrong(reader, 'expected a string in JSON form');
  }
}

function readTest(reader: Reader): Filter {
  if (++reader.tests > filterTestsMax)
    wrong(reader, `a filter may have ${filterTestsMax} tests; too many`, 'too-costly');
  const path = readPath(reader);
  const operator = readOperator(reader);
  return { kind: 'test', path, operator, value: readValue(reader) };
}

const NOT = /not(?=[\s(])/iy;

function readFactor(reader: Reader): Filter {
  if (take(reader, NOT) !== undefined) {
    if (reader.depth >= filterDepthMax) {
      wrong(reader, `filters may be nested ${filterDepthMax} deep; too many`, 'too-costly');
    }
    reader.depth++;
    const filter = readFactor(reader);
    reader.depth--;
    return { kind: 'not', filter };
  }
  skipSpace(reader);
  if (reader.text[reader.at] !== '(') return readTest(reader);
  reader.at++;
  return nested(reader, ')');
}

const LOGIC = /(?:and|or)(?=[\s(]|$)/iy;

/** Left to right: `and` and `or` have no precedence. */
function readFilter(reader: Reader): Filter {
  let filter = readFactor(reader);
  for (;;) {
    const word = take(reader, LOGIC)?.toLowerCase() as 'and' | 'or' | undefined;
    if (word === undefined) return filter;
    const next = readFactor(reader);
    if (filter.kind === word) filter.filters.push(next);
    else filter = { kind: word, filters: [filter, next] };
  }
}

/** Throws CerebraError `invalid-parameter`, telling what was expected where, or `too-costly` beyond a limit. */
export function parseFilter(text: string): Filter {
  const reader: Reader = { text, at: 0, depth: 0, tests: 0 };
  const filter = readFilter(reader);
  skipSpace(reader);
  if (reader.at < text.length) wrong(reader, "expected 'and', 'or' or the end");
  return filter;
}
