// What the store writes beside a resource so that searches find it: https://hl7.org/fhir/R4/search.html
import {
  familyParts,
  familyPartsKey,
  foldString,
  type IndexValue,
  narrativeWords,
  type SearchParam,
  UCUM,
  versionUrl,
} from '#fhir-model';
import { resourceKey } from './layout.ts';
import {
  cachedEntries,
  compositeHash,
  compositeKey,
  type Entries,
  isInTerms,
  type KnownTerms,
  type Term,
  termOf,
  textEntries,
  token,
  unitEntries,
  uriEntries,
} from './tokens.ts';

/** The parameters whose rows hold the values of `param`: its own, or those of the parameters that say the same. */
export const indexedAs = (param: SearchParam): readonly SearchParam[] =>
  param.sameAs?.map((same) => same.param) ?? [param];

/** Whether it counts only some of the references of the parameters it is indexed as. */
export const isNarrower = (param: SearchParam): boolean =>
  param.sameAs?.some((same) => same.targetType !== undefined) ?? false;

/** The rows of one resource, as columns: the form `unnest` takes. */
export interface IndexRows {
  tokens: Set<string>;
  facts: Set<string>;
  dateParams: number[];
  dateLows: string[];
  dateHighs: string[];
  numberParams: number[];
  numberValues: string[];
  quantityParams: number[];
  quantityLows: (string | null)[];
  quantityHighs: (string | null)[];
  quantityCodes: string[];
  quantitySystemCodes: string[];
  stringParams: number[];
  stringValues: string[];
  stringExacts: (string | null)[];
  referenceParams: number[];
  referenceTargets: string[];
  /** The date of the resource, NO_DATE when it has none; null when it can't be told. */
  referenceDates: (string | null)[];
  /** The text of a `tsvector`, one at most. */
  narratives: string[];
  termKinds: string[];
  termParams: number[];
  termValues: string[];
  termSystems: string[];
  termTokens: string[];
}

const emptyIndexRows = (): IndexRows => ({
  tokens: new Set(),
  facts: new Set(),
  dateParams: [],
  dateLows: [],
  dateHighs: [],
  numberParams: [],
  numberValues: [],
  quantityParams: [],
  quantityLows: [],
  quantityHighs: [],
  quantityCodes: [],
  quantitySystemCodes: [],
  stringParams: [],
  stringValues: [],
  stringExacts: [],
  referenceParams: [],
  referenceTargets: [],
  referenceDates: [],
  narratives: [],
  termKinds: [],
  termParams: [],
  termValues: [],
  termSystems: [],
  termTokens: [],
});

const INSTANT_MIN = '-9223372036854775808';
const INSTANT_MAX = '9223372036854775807';

/** In index_reference.date, of a resource without one; a period that has no start can't be told by it. */
export const NO_DATE = INSTANT_MIN;

/** Milliseconds since 1970 UTC as 64-bit integer text; open ends become the ends of the range. */
export function instantText(ms: number): string {
  if (ms === -Infinity) return INSTANT_MIN;
  if (ms === Infinity) return INSTANT_MAX;
  return String(ms);
}

/** A value comes once a parameter: `given` names and codings repeat. A set, since a Group may have 50,000 members. */
function isNew(seen: Set<string>, key: string): boolean {
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

/** Where values go: the rows of one resource, what of them is there already, and the terms that need no row. */
interface Sink {
  rows: IndexRows;
  seen: Set<string>;
  terms: KnownTerms | undefined;
  /** For index_reference.date. */
  date: string | null;
}

function addTerm({ rows, seen, terms }: Sink, term: Term): void {
  if (terms?.has(term) || !isNew(seen, term.name)) return;
  rows.termKinds.push(term.kind);
  rows.termParams.push(term.param);
  rows.termValues.push(term.value);
  rows.termSystems.push(term.system);
  rows.termTokens.push(term.token);
}

function addEntries(sink: Sink, { tokens, facts, terms }: Entries): void {
  for (let i = 0; i < tokens.length; i++) sink.rows.tokens.add(tokens[i] as string);
  for (let i = 0; i < facts.length; i++) sink.rows.facts.add(facts[i] as string);
  for (let i = 0; i < terms.length; i++) addTerm(sink, terms[i] as Term);
}

/** References to resources here are rows of index_reference; those to elsewhere, and to one version, are tokens. */
function addReference({ rows, seen }: Sink, value: IndexValue & { kind: 'reference' }): void {
  const { param } = value;
  if (value.type && value.id) {
    if (value.version !== undefined) {
      rows.tokens.add(token.url(param, versionUrl(value.type, value.id, value.version)));
    }
    const target = resourceKey(value.type, value.id);
    if (!isNew(seen, `${param.key}>${target}`)) return;
    rows.referenceParams.push(param.key);
    rows.referenceTargets.push(target);
    rows.referenceDates.push(param.dated ? NO_DATE : null);
  } else if (value.url) {
    rows.tokens.add(token.url(param, value.url));
    rows.facts.add(token.present(param));
  }
}

function addDate(sink: Sink, value: IndexValue & { kind: 'date' }): void {
  const { rows, seen } = sink;
  const lo = instantText(value.lo);
  const hi = instantText(value.hi);
  if (value.param.dates) sink.date = lo === NO_DATE ? null : lo;
  if (!isNew(seen, `${value.param.key} ${lo} ${hi}`)) return;
  rows.dateParams.push(value.param.key);
  rows.dateLows.push(lo);
  rows.dateHighs.push(hi);
}

function addQuantity(sink: Sink, value: IndexValue & { kind: 'quantity' }): void {
  const { code = '', unit, system = '' } = value;
  const coded = unitEntries(system, code);
  addRange(sink.rows, value.param, value, coded.code, coded.systemCode);
  if (system === UCUM && code !== '') addTerm(sink, coded.term);
  // `5.4||mg` finds code or unit: https://hl7.org/fhir/R4/search.html#quantity
  if (unit !== undefined && unit !== code) {
    const named = unitEntries('', unit);
    addRange(sink.rows, value.param, value, named.code, named.systemCode);
  }
}

function addRange(
  rows: IndexRows,
  param: SearchParam,
  { low, high }: { low?: string; high?: string },
  code: string,
  systemCode: string,
): void {
  rows.quantityParams.push(param.key);
  rows.quantityLows.push(low ?? null);
  rows.quantityHighs.push(high ?? null);
  rows.quantityCodes.push(code);
  rows.quantitySystemCodes.push(systemCode);
}

/** `O'Neil` and `oneil` are one folded value and two exact ones. */
function addString({ rows, seen }: Sink, key: number, text: string, folded: string): void {
  if (!isNew(seen, `${key}"${text}`)) return;
  rows.stringParams.push(key);
  rows.stringValues.push(folded);
  rows.stringExacts.push(folded === text ? null : text);
}

/** Under a number of their own: orders, `:exact`, `:contains` and `:missing` know the whole name alone. */
function addFamilyParts(sink: Sink, param: SearchParam, folded: string): void {
  for (const part of familyParts(folded)) addString(sink, familyPartsKey(param), part, part);
}

function addText(sink: Sink, { param, value, family }: IndexValue & { kind: 'string' }): void {
  const folded = foldString(value);
  addString(sink, param.key, value, folded);
  if (family) addFamilyParts(sink, param, folded);
}

/** `'other':2 'word':1,7`, sorted as PostgreSQL prints it; words of letters and digits need no escapes. */
function tsvector(words: readonly string[]): string {
  const positions = new Map<string, number[]>();
  words.forEach((word, i) => {
    const known = positions.get(word);
    if (known) known.push(i + 1);
    else positions.set(word, [i + 1]);
  });
  return [...positions]
    .map(([word, places]) => `'${word}':${places.join(',')}`)
    .sort()
    .join(' ');
}

function addNarrative({ rows }: Sink, text: string): void {
  const words = narrativeWords(text);
  if (words.length > 0 && rows.narratives.length === 0) rows.narratives.push(tsvector(words));
}

/** A centimetre. */
const DEGREE_DECIMALS = 7;

function addPosition({ rows }: Sink, { param, latitude, longitude }: IndexValue & { kind: 'position' }): void {
  const low = latitude.toFixed(DEGREE_DECIMALS);
  addRange(rows, param, { low, high: longitude.toFixed(DEGREE_DECIMALS) }, '0', '0');
}

/** Of one element; concepts of a hundred codings each would make 10,000. */
const COMBINATIONS_MAX = 1000;

/** One of each list, in all ways, up to COMBINATIONS_MAX. */
function combinations<T>(lists: readonly (readonly T[])[]): T[][] {
  let found: T[][] = [[]];
  for (const list of lists) {
    const longer: T[][] = [];
    for (const some of found) {
      for (const each of list) if (longer.length < COMBINATIONS_MAX) longer.push([...some, each]);
    }
    found = longer;
  }
  return found;
}

type CodedValue = IndexValue & { kind: 'token'; code: string };
const hasCode = (value: IndexValue): value is CodedValue => value.kind === 'token' && value.code !== undefined;

/** The codes of the element make one number: of a token, or of the parameter of a row that has the other part. */
function addComposite(sink: Sink, { param, parts }: IndexValue & { kind: 'composite' }): void {
  const types = param.composite?.parts ?? [];
  const tokens = parts.filter((_, i) => types[i]?.type === 'token').filter((values) => values !== undefined);
  const [first, second] = parts.filter((_, i) => types[i]?.type !== 'token');
  const codes = combinations(tokens.map((values) => values.filter(hasCode)));
  sink.rows.facts.add(token.present(param));
  for (const combination of codes) {
    const named = combination.map(({ param: part, system = '', code }) => ({ part, system, code }));
    const hash = compositeHash(param, named);
    for (const { system, code } of named) {
      addTerm(sink, termOf('c', param.key, code.toLowerCase(), system, hash));
    }
    const row = { ...param, key: compositeKey(hash) };
    if (first && second) addNumberPairs(sink, row, first, second);
    else if (!first) sink.rows.tokens.add(hash);
    else for (const value of first) add(sink, { ...value, param: row });
  }
}

/** Two numbers of one element are the two ends of a row. */
function addNumberPairs({ rows }: Sink, param: SearchParam, first: IndexValue[], second: IndexValue[]): void {
  for (const [a, b] of combinations([first, second])) {
    if (a?.kind === 'number' && b?.kind === 'number') addRange(rows, param, { low: a.value, high: b.value }, '0', '0');
  }
}

function addUri(sink: Sink, { param, value }: IndexValue & { kind: 'uri' }): void {
  if (isInTerms(param)) {
    addEntries(sink, uriEntries(param, value));
    return;
  }
  sink.rows.tokens.add(token.url(param, value));
  sink.rows.facts.add(token.present(param));
  addString(sink, param.key, value, value);
}

function addTyped({ rows }: Sink, { param, system, code, value }: IndexValue & { kind: 'typed' }): void {
  rows.tokens.add(token.ofType(param, system ?? '', code, value));
  rows.tokens.add(token.ofTypeAnySystem(param, code, value));
}

function add(sink: Sink, value: IndexValue): void {
  const { rows } = sink;
  switch (value.kind) {
    case 'token':
      addEntries(sink, cachedEntries(value));
      break;
    case 'reference':
      addReference(sink, value);
      break;
    case 'date':
      addDate(sink, value);
      break;
    case 'quantity':
      addQuantity(sink, value);
      break;
    case 'string':
      addText(sink, value);
      break;
    case 'uri':
      addUri(sink, value);
      break;
    case 'text':
      // The display of a reference is looked for in the resource itself: search/specials.ts.
      if (value.param.type === 'token') addEntries(sink, textEntries(value.param, value.value));
      break;
    case 'typed':
      addTyped(sink, value);
      break;
    case 'present':
      rows.facts.add(token.present(value.param));
      break;
    case 'position':
      addPosition(sink, value);
      break;
    case 'narrative':
      addNarrative(sink, value.value);
      break;
    case 'composite':
      addComposite(sink, value);
      break;
    case 'number':
      rows.numberParams.push(value.param.key);
      rows.numberValues.push(value.value);
  }
}

/** Hashes as the text of a `bigint[]`. */
const hashArray = (hashes: Set<string>): string => `{${[...hashes].join(',')}}`;
export const tokenArray = (rows: IndexRows): string => hashArray(rows.tokens);
export const factArray = (rows: IndexRows): string => hashArray(rows.facts);

/** `_id` and `_lastUpdated` are columns of the main table, not index rows. */
const isColumn = (param: SearchParam): boolean => param.code === '_id' || param.code === '_lastUpdated';

/** Turns what the extractor found into rows; the terms in `known` get none. */
export function indexRows(values: IndexValue[], known?: KnownTerms): IndexRows {
  const sink: Sink = { rows: emptyIndexRows(), seen: new Set(), terms: known, date: NO_DATE };
  for (const value of values) {
    const { param } = value;
    if (isColumn(param)) continue;
    if (!param.sameAs) add(sink, value);
    // The others' rows tell its values, but not that there are any: they may refer to other types.
    else if (isNarrower(param)) sink.rows.facts.add(token.present(param));
  }
  if (sink.date !== NO_DATE) addDates(sink);
  return sink.rows;
}

/** The references come before the date or after it. */
function addDates({ rows: { referenceDates }, date }: Sink): void {
  for (let i = 0; i < referenceDates.length; i++) if (referenceDates[i] !== null) referenceDates[i] = date;
}
