// The tokens of values: hashes for exact matches, and the terms they can be looked up by. https://hl7.org/fhir/R4/search.html#token
import { foldString, type IndexValue, type SearchParam, textCharactersMax, tokenCode } from '#fhir-model';
import { hash64, hashOnce } from './hash.ts';

/** The spellings that are hashed, `a|b` with `c` another than `a` with `b|c`; search/conditions.ts asks with the same. */
const spelled = {
  exact: (param: SearchParam, system: string, code: string) =>
    `${param.key}=${system.length}|${system}${tokenCode(param, system, code)}`,
  anySystem: (param: SearchParam, code: string) => `${param.key}~${tokenCode(param, undefined, code)}`,
};

/** Of each value there is, so that it is asked for more than any other. */
const presents = new Map<number, string>();
const PRESENTS_MAX = 20_000;

function present({ key }: SearchParam): string {
  const known = presents.get(key);
  if (known !== undefined) return known;
  const hash = hash64(`${key}!`);
  if (presents.size >= PRESENTS_MAX) presents.clear();
  presents.set(key, hash);
  return hash;
}

export const token = {
  exact: (param: SearchParam, system: string, code: string) => hash64(spelled.exact(param, system, code)),
  anySystem: (param: SearchParam, code: string) => hash64(spelled.anySystem(param, code)),
  anyCode: (param: SearchParam, system: string) => hash64(`${param.key}^${system}`),
  present,
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

/** Of uris that come again and again, what `:below` looks for is stored once and not with each resource. */
export const isInTerms = ({ code }: SearchParam): boolean => code === '_profile';

/**
 * What searches by a part of a value look tokens up by: `t` the folded displays of codings, `k` codes, `c` codes of
 * composites (and of all rows from before there were facts), `u` units of quantities, `p` profiles. Each is stored once, by
 * the first resources that bring it, and stays.
 */
export interface Term {
  kind: 't' | 'k' | 'c' | 'u' | 'p';
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

/**
 * Of codes in lower case there may be two: `mm` and `Mm` of UCUM. So of texts from before letters were folded as they are now: the
 * token of `Łukasz` is that of another word than `lukasz` then, and what is written since needs its own.
 */
export const termName = ({ kind, param, value, system, token: hash }: Omit<Term, 'name'>): string =>
  `${kind}${param}|${system.length}|${system}${value}${kind === 'k' || kind === 't' ? `=${hash}` : ''}`;

export const termOf = (kind: Term['kind'], param: number, value: string, system: string, hash: string): Term => ({
  ...{ kind, param, value, system, token: hash },
  name: termName({ kind, param, value, system, token: hash }),
});

/**
 * What is written for one value. `tokens` are found by the GIN index, at 3 µs of PostgreSQL's time each; `facts` are only
 * tested, on resources that other criteria find or all of a type: that there is a value, that a code is of a system.
 */
export interface Entries {
  tokens: readonly string[];
  facts: readonly string[];
  terms: readonly Term[];
}

/** Displays, the texts of concepts and profiles come again and again: folding and hashing one costs 2 µs. */
const TEXTS_CACHED_MAX = 20_000;
const TEXT_CHARACTERS_CACHED_MAX = 200;

/** `entriesOf`, with the entries of short texts kept. */
function cachedByText(entriesOf: (param: SearchParam, text: string) => Entries) {
  const cache = new Map<SearchParam, Map<string, Entries>>();
  let cached = 0;
  return (param: SearchParam, text: string): Entries => {
    if (text.length > TEXT_CHARACTERS_CACHED_MAX) return entriesOf(param, text);
    const known = cache.get(param)?.get(text);
    if (known !== undefined) return known;
    const entries = entriesOf(param, text);
    if (++cached > TEXTS_CACHED_MAX) {
      cache.clear();
      cached = 1;
    }
    const ofParam = cache.get(param);
    if (ofParam) ofParam.set(text, entries);
    else cache.set(param, new Map([[text, entries]]));
    return entries;
  };
}

export const textEntries = cachedByText(entriesOfText);

/** Of a uri that is in the terms. */
export const uriEntries = cachedByText((param, value) => {
  const hash = token.url(param, value);
  return { tokens: [hash], facts: [present(param)], terms: [termOf('p', param.key, value, '', hash)] };
});

function entriesOfText(param: SearchParam, text: string): Entries {
  const folded = foldString(text).slice(0, textCharactersMax);
  if (folded === '') return { tokens: [], facts: [], terms: [] };
  const hash = token.text(param, folded);
  return { tokens: [hash], facts: [], terms: [termOf('t', param.key, folded, '', hash)] };
}

/** The one token of a code: `system` is known, as the terms tell it where a search leaves it open. */
export const codeToken = (param: SearchParam, system: string, code: string): string =>
  param.codeSystem === undefined ? token.exact(param, system, code) : token.anySystem(param, code);

/** The one number that tells, of all values of a system, that there is one; a fact where codes have terms. */
const systemEntry = ({ param, system, code }: IndexValue & { kind: 'token' }): string[] =>
  system && (code === undefined || param.codeSystem === undefined) ? [token.anyCode(param, system)] : [];

/** A code needs one token: in which systems it is used the terms tell. Of a system without a code they tell nothing. */
function codedEntries(value: IndexValue & { kind: 'token' }): Entries {
  const { param, system = '', code } = value;
  const facts = [token.present(param), ...systemEntry(value)];
  if (code === undefined) return { tokens: systemEntry(value), facts, terms: [] };
  const hash = codeToken(param, system, code);
  return { tokens: [hash], facts, terms: [termOf('k', param.key, code.toLowerCase(), system, hash)] };
}

/** An identifier is looked for with its system and without; all identifiers of a system may be few. */
function plainEntries(value: IndexValue & { kind: 'token' }): Entries {
  const { param, system = '', code } = value;
  const tokens = systemEntry(value);
  // Of these each comes once, in most data.
  if (code !== undefined) tokens.push(hashOnce(spelled.anySystem(param, code)));
  if (code !== undefined && param.codeSystem === undefined) tokens.push(hashOnce(spelled.exact(param, system, code)));
  return { tokens, facts: [token.present(param)], terms: [] };
}

function tokenEntries(value: IndexValue & { kind: 'token' }): Entries {
  const entries = value.param.coded ? codedEntries(value) : plainEntries(value);
  if (value.display === undefined) return entries;
  const text = textEntries(value.param, value.display);
  return { ...entries, tokens: [...entries.tokens, ...text.tokens], terms: [...entries.terms, ...text.terms] };
}

/** Codes come again and again: their hashes together cost 4 µs, looking all of them up at once 0.3. */
const CODES_CACHED_MAX = 20_000;
const CODE_CHARACTERS_MAX = 300;
/** Of one code: other systems and displays that it comes with; more than these are rare. */
const CODE_VARIANTS_MAX = 4;

interface KnownCode {
  system: string | undefined;
  code: string | undefined;
  display: string | undefined;
  entries: Entries;
}

/** By the parameter itself, since one of the same key may have been defined anew, and the code. */
const entriesOfCodes = new Map<SearchParam, Map<string, KnownCode[]>>();
let codesCached = 0;

function knownVariants(param: SearchParam, code: string): KnownCode[] {
  let ofParam = entriesOfCodes.get(param);
  if (ofParam === undefined) {
    ofParam = new Map();
    entriesOfCodes.set(param, ofParam);
  }
  let variants = ofParam.get(code);
  if (variants === undefined) {
    variants = [];
    ofParam.set(code, variants);
  }
  return variants;
}

function keepCode({ param, system, code, display }: IndexValue & { kind: 'token' }, entries: Entries): void {
  if (++codesCached > CODES_CACHED_MAX) {
    entriesOfCodes.clear();
    codesCached = 1;
  }
  const variants = knownVariants(param, code ?? '');
  if (variants.length >= CODE_VARIANTS_MAX) variants.shift();
  variants.push({ system, code, display, entries });
}

export function cachedEntries(value: IndexValue & { kind: 'token' }): Entries {
  const { param, system, code, display } = value;
  if (!param.coded) return tokenEntries(value);
  const variants = entriesOfCodes.get(param)?.get(code ?? '');
  if (variants !== undefined) {
    for (let i = 0; i < variants.length; i++) {
      const known = variants[i] as KnownCode;
      if (known.code === code && known.system === system && known.display === display) return known.entries;
    }
  }
  const entries = tokenEntries(value);
  const characters = (system?.length ?? 0) + (code?.length ?? 0) + (display?.length ?? 0);
  if (characters <= CODE_CHARACTERS_MAX) keepCode(value, entries);
  return entries;
}

/** What is written of a quantity's unit. */
export interface Unit {
  system: string;
  /** Hash of the code alone, and with its system. */
  code: string;
  systemCode: string;
  term: Term;
}

const units = new Map<string, Unit>();

/** Of a code, or of a unit where `system` is empty. */
export function unitEntries(system: string, code: string): Unit {
  const known = units.get(code);
  if (known?.system === system) return known;
  const systemCode = token.unitSystemCode(system, code);
  const unit = { system, code: token.unitCode(code), systemCode, term: termOf('u', 0, code, '', systemCode) };
  if (units.size >= CODES_CACHED_MAX) units.clear();
  units.set(code, unit);
  return unit;
}
