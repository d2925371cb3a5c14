// The tokens of values: hashes for exact matches, and the terms they can be looked up by. https://hl7.org/fhir/R4/search.html#token
import { foldString, type IndexValue, type SearchParam, textCharactersMax, tokenCode } from '#fhir-model';
import { hash64 } from './hash.ts';

/** The spellings that are hashed, `a|b` with `c` another than `a` with `b|c`; search/conditions.ts asks with the same. */
export const token = {
  exact: (param: SearchParam, system: string, code: string) =>
    hash64(`${param.key}=${system.length}|${system}${tokenCode(param, system, code)}`),
  anySystem: (param: SearchParam, code: string) => hash64(`${param.key}~${tokenCode(param, undefined, code)}`),
  anyCode: (param: SearchParam, system: string) => hash64(`${param.key}^${system}`),
  present: (param: SearchParam) => hash64(`${param.key}!`),
  url: (param: SearchParam, url: string) => hash64(`${param.key}@${url}`),
  /** Of the folded display of a coding. */
  text: (param: SearchParam, folded: string) => hash64(`${param.key}"${folded}`),
  ofType: (param: SearchParam, system: string, code: string, value: string) =>
    hash64(`${param.key}:${system.length}|${system}${code.length}|${code.toLowerCase()}${value}`),
  ofTypeAnySystem: (param: SearchParam, code: string, value: string) =>
    hash64(`${param.key};${code.length}|${code.toLowerCase()}${value}`),
  unitCode: (code: string) => hash64(`unit~${code}`),
  unitSystemCode: (system: string, code: string) => hash64(`unit=${system.length}|${system}${code}`),
};

/** The codes of one element of a composite parameter. Case counts for identifiers only, whatever the system. */
export const compositeHash = (
  param: SearchParam,
  codes: readonly { part: SearchParam; system: string; code: string }[],
): string => {
  const named = codes.map(({ part, system, code }) => `${system.length}|${system}${tokenCode(part, undefined, code)}`);
  return hash64(`${param.key}#${named.join('#')}`);
};

/** The same as the number of a parameter, for rows that have the codes in their parameter. */
export const compositeKey = (hash: string): number => Number(BigInt.asIntN(32, BigInt(hash)));

/**
 * What searches by a part of a text look tokens up by: `t` the folded displays of codings, `c` codes, `u` units of
 * quantities. Each is stored once, by the first resources that bring it, and stays.
 */
export interface Term {
  kind: 't' | 'c' | 'u';
  param: number;
  value: string;
  system: string;
  token: string;
  /** Tells terms apart. */
  name: string;
}

/** The terms that are known to be stored already. */
export interface KnownTerms {
  /** Whether it is; if not, it is going to be written. */
  has(term: Term): boolean;
}

export const termOf = (kind: Term['kind'], param: number, value: string, system: string, hash: string): Term => ({
  ...{ kind, param, value, system, token: hash },
  name: `${kind}${param}|${system.length}|${system}${value}`,
});

/** What is written for one value. */
export interface Entries {
  tokens: readonly string[];
  terms: readonly Term[];
}

export function textEntries(param: SearchParam, text: string): Entries {
  const folded = foldString(text).slice(0, textCharactersMax);
  if (folded === '') return { tokens: [], terms: [] };
  const hash = token.text(param, folded);
  return { tokens: [hash], terms: [termOf('t', param.key, folded, '', hash)] };
}

/**
 * A code whose binding implies its one system needs one token: a search for `system|code` knows the system too. Each
 * token of the GIN index costs PostgreSQL some 3 µs a create.
 */
function tokenEntries({ param, system, code, display }: IndexValue & { kind: 'token' }): Entries {
  const tokens = [token.present(param)];
  const terms: Term[] = [];
  if (code !== undefined) {
    const any = token.anySystem(param, code);
    tokens.push(any);
    if (param.codeSystem === undefined) tokens.push(token.exact(param, system ?? '', code));
    if (param.coded) terms.push(termOf('c', param.key, code.toLowerCase(), system ?? '', any));
  }
  if (system && (code === undefined || param.codeSystem === undefined)) tokens.push(token.anyCode(param, system));
  const text = display === undefined ? undefined : textEntries(param, display);
  return text ? { tokens: [...tokens, ...text.tokens], terms: [...terms, ...text.terms] } : { tokens, terms };
}

/** Codes come again and again: their hashes together cost 4 µs, looking all of them up at once 0.3. */
const CODES_CACHED_MAX = 20_000;
const CODE_CHARACTERS_MAX = 300;
const entriesOfCodes = new Map<string, Entries & { param: SearchParam }>();

export function cachedEntries(value: IndexValue & { kind: 'token' }): Entries {
  const { param, system = '', code = '', display = '' } = value;
  const name = `${param.key} ${system.length}|${system}${code.length}|${code}${display}`;
  if (!param.coded || name.length > CODE_CHARACTERS_MAX) return tokenEntries(value);
  const known = entriesOfCodes.get(name);
  // The parameter itself: one of that key may have been defined anew.
  if (known !== undefined && known.param === param) return known;
  const entries = { ...tokenEntries(value), param };
  if (entriesOfCodes.size >= CODES_CACHED_MAX) entriesOfCodes.clear();
  entriesOfCodes.set(name, entries);
  return entries;
}

const unitTerms = new Map<string, Term>();

export function unitTerm(code: string, hash: string): Term {
  const known = unitTerms.get(code);
  if (known !== undefined) return known;
  if (unitTerms.size >= CODES_CACHED_MAX) unitTerms.clear();
  const term = termOf('u', 0, code, '', hash);
  unitTerms.set(code, term);
  return term;
}
