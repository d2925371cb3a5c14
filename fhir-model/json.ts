// JSON without loss: https://hl7.org/fhir/R4/json.html#decimal ("the precision of the decimal value has significance").
import { CerebraError } from '#platform';
import { findFault } from './json-fault.ts';
import { countNames, endOfString, findLoneSurrogate, findRepeatedName } from './json-sent.ts';
import type { Json, JsonObject } from './types.ts';

/** A number kept as its text. `JSON.stringify` writes `rawJSON` as it is. Frozen, without a prototype. */
export interface RawJson {
  readonly rawJSON: string;
}

/** Resources nest some 10 levels; this bounds every recursive walk over what parseJson lets through. */
export const depthMax = 100;

// https://github.com/tc39/proposal-json-parse-with-source: in Node 24, not yet in TypeScript's library.
const source = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  rawJSON(text: string): RawJson;
  isRawJSON(value: unknown): value is RawJson;
};

export const isRawJson: (value: unknown) => value is RawJson = source.isRawJSON;

/** A number as its digits stand, `rawJson('1.00')`; throws SyntaxError when the text is no JSON primitive. */
export function rawJson(text: string): RawJson {
  return source.rawJSON(text);
}

export interface ParsedJson {
  /** Plain `JSON.parse`. Of repeated names the last one counts; `__proto__` is a name like any other. */
  value: Json;
  /** The same object as `value`, or, where a number would lose digits, a tree that holds it as RawJson. */
  exact: Json;
}

const quote = 0x22;

function isNumberPart(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x65 || code === 0x45 || code === 0x2b || code === 0x2d
  );
}

function endOfNumber(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && isNumberPart(text.charCodeAt(at))) at++;
  return at;
}

/** Whether JSON.parse and JSON.stringify would change the digits. */
function loses(digits: string): boolean {
  return String(Number(digits)) !== digits;
}

interface Scan {
  /** Offset of the bracket that goes deeper than `depthMax`; -1 if none does. */
  tooDeepAt: number;
  /** Start and end of each number that loses digits, in turn; undefined when there is none. */
  lossy: number[] | undefined;
  /** Names of members, repeated ones as often as they are written. */
  names: number;
  /** Commas and opening brackets: at most so many values. */
  values: number;
}

/**
 * One pass before anything recursive: how deep, and which numbers lose digits. 4 µs for 1.4 kB, where JSON.parse takes 6.
 * JSON.parse itself survives any depth, a walk over its result and JSON.stringify do not.
 */
function scan(text: string, levelsMax: number): Scan {
  let depth = 0;
  let lossy: number[] | undefined;
  let names = 0;
  let values = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = endOfString(text, at);
    } else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      const end = endOfNumber(text, at);
      if (loses(text.slice(at, end))) {
        lossy ??= [];
        lossy.push(at, end);
      }
      at = end;
    } else {
      if (code === 0x3a) names++;
      else if (code === 0x2c) values++;
      else if (code === 0x7b || code === 0x5b) {
        values++;
        depth++;
      } else if (code === 0x7d || code === 0x5d) depth--;
      if (depth > levelsMax) return { tooDeepAt: at, lossy, names, values };
      at++;
    }
  }
  return { tooDeepAt: -1, lossy, names, values };
}

/** `line 3, column 14`, both from 1; columns are UTF-16 code units. */
export function positionText(text: string, offset: number): string {
  const lineStart = text.lastIndexOf('\n', offset - 1) + 1;
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < lineStart; at = text.indexOf('\n', at + 1)) line++;
  return `line ${line}, column ${offset - lineStart + 1}`;
}

function malformed(text: string, cause: unknown): CerebraError {
  const fault = findFault(text);
  const what = `Not JSON at ${positionText(text, fault.offset)}: expected ${fault.expected}, found ${fault.found}`;
  return new CerebraError('invalid-json', what, { cause });
}

/**
 * Parses a JSON text; a leading byte order mark is passed over.
 * @param levelsMax more than `depthMax` for what this server put together itself: Bundles of what it let in.
 * @throws CerebraError 'invalid-json', with line and column, for malformed text and for nesting beyond `levelsMax`.
 */
export function parseJson(text: string, levelsMax = depthMax): ParsedJson {
  const json = withoutMark(text);
  return parseScanned(json, scan(json, levelsMax), levelsMax);
}

const withoutMark = (text: string): string => (text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);

function parseScanned(json: string, { tooDeepAt, lossy }: Scan, levelsMax: number): ParsedJson {
  if (tooDeepAt !== -1) {
    throw new CerebraError(
      'invalid-json',
      `Nested deeper than ${levelsMax} levels at ${positionText(json, tooDeepAt)}`,
    );
  }
  try {
    const value = JSON.parse(json) as Json;
    return { value, exact: lossy === undefined ? value : parseExact(json, lossy) };
  } catch (error) {
    throw malformed(json, error);
  }
}

/**
 * Resources have a value for some 25 characters, identifiers alone for 12. Without a bound 45 MB of `[],[],…` took 13 s and
 * 1.5 GB, of `1.00,…` 17 s. A number that loses digits counts for four.
 */
const valuesMax = 1_000_000;
const charactersAValue = 10;
const lossyWeight = 4;

function assertFew(json: string, { lossy, values }: Scan): void {
  const max = Math.max(valuesMax, json.length / charactersAValue);
  if (values + (lossy === undefined ? 0 : (lossy.length / 2) * (lossyWeight - 1)) <= max) return;
  throw new CerebraError('too-costly', `The body has more than ${Math.floor(max)} values: send it in several parts`);
}

/** What an expression begins with. */
const rootOf = (value: Json): string =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && typeof value.resourceType === 'string'
    ? value.resourceType.slice(0, 64)
    : '$this';

function assertUnambiguous(json: string, names: number, value: Json): void {
  const half = findLoneSurrogate(json);
  if (half !== undefined) {
    const what = `Half a surrogate pair, which is no Unicode character, at ${positionText(json, half)}`;
    throw new CerebraError('invalid-json', `${what}: write the whole character, or its two halves one after the other`);
  }
  if (countNames(value) === names) return;
  const repeated = findRepeatedName(json);
  if (repeated === undefined) return;
  const { name, offset, path } = repeated;
  const what = `The name '${name.slice(0, 64)}' stands twice in one object, again at ${positionText(json, offset)}`;
  throw new CerebraError('invalid-json', `${what}: which of the two is meant can't be told; send one`, {
    expression: [rootOf(value) + path],
  });
}

/**
 * What somebody sends: as parseJson, and nothing that readers take in different ways. RFC 8259 leaves open what a repeated
 * name means, so that a check and a store might see different values; half a surrogate pair has no UTF-8. Costs 2 µs more
 * for 1.4 kB.
 * @throws CerebraError `invalid-json`, with line and column, also for a repeated name and for half a surrogate pair;
 * `too-costly` for more values than any resource has.
 */
export function parseSentJson(text: string): ParsedJson {
  const json = withoutMark(text);
  const scanned = scan(json, depthMax);
  assertFew(json, scanned);
  const parsed = parseScanned(json, scanned, depthMax);
  assertUnambiguous(json, scanned.names, parsed.value);
  return parsed;
}

// Latin-1, so that marking a text doesn't double its size in memory.
const marker = '\u0080';
const markerEscape = /\\u0080/;

/** Puts each lossy number into a string that starts with the marker. */
function markNumbers(json: string, lossy: number[]): string {
  let marked = '';
  let done = 0;
  for (let index = 0; index < lossy.length; index += 2) {
    const start = lossy[index] ?? 0;
    const end = lossy[index + 1] ?? start;
    marked += `${json.slice(done, start)}"${marker}${json.slice(start, end)}"`;
    done = end;
  }
  return marked + json.slice(done);
}

function unmark(value: Json): Json {
  if (typeof value === 'string') {
    return value.startsWith(marker) ? (source.rawJSON(value.slice(1)) as unknown as Json) : value;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) value[index] = unmark(value[index] ?? null);
    return value;
  }
  for (const name in value) {
    const held = value[name];
    if (typeof held === 'object' || typeof held === 'string') value[name] = unmark(held);
  }
  return value;
}

/** Marking the numbers and parsing anew costs 20 µs for 1.4 kB; the reviver, which sees every value, 40. */
function parseExact(json: string, lossy: number[]): Json {
  if (!json.includes(marker) && !markerEscape.test(json)) return unmark(JSON.parse(markNumbers(json, lossy)) as Json);
  return source.parse(json, (_key, value, context) =>
    typeof value === 'number' && context.source !== undefined && String(value) !== context.source
      ? source.rawJSON(context.source)
      : value,
  ) as Json;
}

/** The JSON text, RawJson numbers with their digits. */
export function stringify(exact: unknown): string {
  return JSON.stringify(exact);
}

/** Whether this is a JSON number, in either form. */
export function isNumber(value: unknown): value is number | RawJson {
  return typeof value === 'number' || isRawJson(value);
}

/** The digits of a decimal: as they were written if it came through `parseJson().exact`. */
export function decimalText(value: number | RawJson): string {
  return typeof value === 'number' ? String(value) : value.rawJSON;
}

/** A number that keeps its digits is none. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawJson(value);
}

/** The objects of a list; none where it is no list. What was stored unchecked may have anything where objects belong. */
export function objectsOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
