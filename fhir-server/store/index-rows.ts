// What the store writes beside a resource so that searches find it: https://hl7.org/fhir/R4/search.html
import { foldString, type IndexValue, type SearchParam } from '#fhir-model';
import { hash64 } from './hash.ts';
import { resourceKey } from './layout.ts';

/** The spellings that are hashed, `a|b` with `c` another than `a` with `b|c`; search/conditions.ts asks with the same. */
export const token = {
  exact: (param: SearchParam, system: string, code: string) => hash64(`${param.key}=${system.length}|${system}${code}`),
  anySystem: (param: SearchParam, code: string) => hash64(`${param.key}~${code}`),
  anyCode: (param: SearchParam, system: string) => hash64(`${param.key}^${system}`),
  present: (param: SearchParam) => hash64(`${param.key}!`),
  url: (param: SearchParam, url: string) => hash64(`${param.key}@${url}`),
  unitCode: (code: string) => hash64(`unit~${code}`),
  unitSystemCode: (system: string, code: string) => hash64(`unit=${system.length}|${system}${code}`),
};

/** The parameters whose rows hold the values of `param`: its own, or those of the parameters that say the same. */
export const indexedAs = (param: SearchParam): readonly SearchParam[] =>
  param.sameAs?.map((same) => same.param) ?? [param];

/** Whether it counts only some of the references of the parameters it is indexed as. */
export const isNarrower = (param: SearchParam): boolean =>
  param.sameAs?.some((same) => same.targetType !== undefined) ?? false;

/** The rows of one resource, as columns: the form `unnest` takes. */
export interface IndexRows {
  tokens: Set<string>;
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
}

export const emptyIndexRows = (): IndexRows => ({
  tokens: new Set(),
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
});

const INSTANT_MIN = '-9223372036854775808';
const INSTANT_MAX = '9223372036854775807';

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

/**
 * A code whose binding implies its one system needs one token: a search for `system|code` knows the system too. Each
 * token of the GIN index costs PostgreSQL some 3 µs a create.
 */
function addToken(rows: IndexRows, value: IndexValue & { kind: 'token' }): void {
  const { param, system, code } = value;
  rows.tokens.add(token.present(param));
  if (code !== undefined && param.codeSystem !== undefined) {
    rows.tokens.add(token.anySystem(param, code));
    return;
  }
  if (code !== undefined) {
    rows.tokens.add(token.exact(param, system ?? '', code));
    rows.tokens.add(token.anySystem(param, code));
  }
  if (system) rows.tokens.add(token.anyCode(param, system));
}

/** References to resources here are rows of index_reference; only those to elsewhere are tokens. */
function addReference(rows: IndexRows, value: IndexValue & { kind: 'reference' }, seen: Set<string>): void {
  const { param } = value;
  if (value.type && value.id) {
    const target = resourceKey(value.type, value.id);
    if (!isNew(seen, `${param.key}>${target}`)) return;
    rows.referenceParams.push(param.key);
    rows.referenceTargets.push(target);
  } else if (value.url) {
    rows.tokens.add(token.url(param, value.url));
    rows.tokens.add(token.present(param));
  }
}

function addDate(rows: IndexRows, value: IndexValue & { kind: 'date' }, seen: Set<string>): void {
  const lo = instantText(value.lo);
  const hi = instantText(value.hi);
  if (!isNew(seen, `${value.param.key} ${lo} ${hi}`)) return;
  rows.dateParams.push(value.param.key);
  rows.dateLows.push(lo);
  rows.dateHighs.push(hi);
}

function addQuantity(rows: IndexRows, value: IndexValue & { kind: 'quantity' }): void {
  const { code = '', unit } = value;
  addQuantityRow(rows, value, value.system ?? '', code);
  // `5.4||mg` finds code or unit: https://hl7.org/fhir/R4/search.html#quantity
  if (unit !== undefined && unit !== code) addQuantityRow(rows, value, '', unit);
}

function addQuantityRow(rows: IndexRows, value: IndexValue & { kind: 'quantity' }, system: string, code: string): void {
  rows.quantityParams.push(value.param.key);
  rows.quantityLows.push(value.low ?? null);
  rows.quantityHighs.push(value.high ?? null);
  rows.quantityCodes.push(token.unitCode(code));
  rows.quantitySystemCodes.push(token.unitSystemCode(system, code));
}

/** `O'Neil` and `oneil` are one folded value and two exact ones. */
function addString(rows: IndexRows, param: SearchParam, text: string, folded: string, seen: Set<string>): void {
  if (!isNew(seen, `${param.key}"${text}`)) return;
  rows.stringParams.push(param.key);
  rows.stringValues.push(folded);
  rows.stringExacts.push(folded === text ? null : text);
}

function add(rows: IndexRows, value: IndexValue, seen: Set<string>): void {
  const { kind, param } = value;
  if (kind === 'token') addToken(rows, value);
  else if (kind === 'reference') addReference(rows, value, seen);
  else if (kind === 'date') addDate(rows, value, seen);
  else if (kind === 'quantity') addQuantity(rows, value);
  else if (kind === 'string') addString(rows, param, value.value, foldString(value.value), seen);
  else if (kind === 'number') {
    rows.numberParams.push(param.key);
    rows.numberValues.push(value.value);
  } else {
    rows.tokens.add(token.url(param, value.value));
    rows.tokens.add(token.present(param));
    addString(rows, param, value.value, value.value, seen);
  }
}

/** The tokens as the text of a `bigint[]`. */
export const tokenArray = (rows: IndexRows): string => `{${[...rows.tokens].join(',')}}`;

/** `_id` and `_lastUpdated` are columns of the main table, not index rows. */
const isColumn = (param: SearchParam): boolean => param.code === '_id' || param.code === '_lastUpdated';

/** Turns what the extractor found into rows. */
export function indexRows(values: IndexValue[]): IndexRows {
  const rows = emptyIndexRows();
  const seen = new Set<string>();
  for (const value of values) {
    const { param } = value;
    if (isColumn(param)) continue;
    if (!param.sameAs) add(rows, value, seen);
    // The others' rows tell its values, but not that there are any: they may refer to other types.
    else if (isNarrower(param)) rows.tokens.add(token.present(param));
  }
  return rows;
}
