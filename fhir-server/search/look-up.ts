// What of a search has to be looked up before it can be asked in SQL: the codes of a value set, the resources below
// another, the texts that begin so, the units of the same dimension. Each criterion so found is put in the place of the
// one that was asked; this walks into criteria on other resources as well. https://hl7.org/fhir/R4/search.html#modifiers
import {
  type CodeSet,
  type Criterion,
  displayPaths,
  foldString,
  inUnit,
  meansUnit,
  type SearchParam,
  type SearchParameters,
  type SearchValue,
  type Terminology,
  UCUM,
  wordsOf,
} from '#fhir-model';
import { CerebraError, isCerebraError, type Statement } from '#platform';
import { indexedAs } from '../store/index-rows.ts';
import { isInTerms } from '../store/tokens.ts';
import { hasBareIds, withTypes } from './bare-ids.ts';
import { codesOfParts, partsOnResource, tokensOfParts } from './composites.ts';
import { ancestors, criterionHashes } from './conditions.ts';
import { hierarchyKeys } from './hierarchies.ts';
import { type Hashes, like } from './index-tests.ts';
import type { PageContext } from './page.ts';
import { isOpen, isSystem, type OpenCode, tokensOf, tokensOfSystem } from './term-systems.ts';
import { findPlaces, lookUpLinks, tellBeyond } from './within.ts';

/** Where looked-up things come from. */
export interface Lookups {
  terminology: Terminology;
  parameters: SearchParameters;
}

/** Codes or texts that one value may stand for: so many tokens are asked for in some 20 ms. */
const TOKENS_MAX = 10_000;
/** Of all alternatives together: a thousand value sets of 10,000 codes would fill the memory. */
const TOKENS_TOGETHER_MAX = 50_000;
/** Units that somebody uses; of LOINC's examples there are 1,400. What one means is read once, in 50 µs. */
const UNITS_MAX = 5000;

type Of<Kind> = Extract<SearchValue, { kind: Kind }>;

const refused = (code: 'too-costly' | 'internal', name: string, diagnostics: string): CerebraError =>
  new CerebraError(code, `${diagnostics} (parameter '${name.slice(0, 80)}')`, { expression: [name] });

function lookupsOf(page: PageContext, { name }: Criterion): Lookups {
  if (page.lookups) return page.lookups;
  throw refused('internal', name, 'There is nothing to look value sets and hierarchies up in');
}

function assertFew({ name }: Criterion, found: readonly SearchValue[]): void {
  let tokens = 0;
  for (const value of found) if (value.kind === 'hashes') tokens += value.hashes.length + (value.facts?.length ?? 0);
  if (tokens <= TOKENS_TOGETHER_MAX) return;
  throw refused('too-costly', name, `The alternatives together stand for more than ${TOKENS_TOGETHER_MAX}: give fewer`);
}

/** `in` answers by the value set's codes, `above` and `below` by the code system's. */
function setHashes(param: SearchParam, codes: CodeSet): Hashes {
  const tokenValues = [...codes].flatMap(([system, some]): SearchValue[] =>
    some === 'all'
      ? [{ kind: 'token', text: '', system }]
      : [...some].map((code) => ({ kind: 'token', text: '', system, code })),
  );
  return criterionHashes({ name: param.code, param, values: tokenValues });
}

async function codesOfValue(page: PageContext, criterion: Criterion, value: SearchValue): Promise<CodeSet> {
  const { terminology } = lookupsOf(page, criterion);
  const context = { db: page.db, scope: page.scope, codesMax: TOKENS_MAX };
  if (value.kind === 'valueSet') return terminology.valueSet(value.url, context);
  const { system = '', code = '' } = value as Of<'token'>;
  const direction = criterion.modifier === 'above' ? 'above' : 'below';
  return new Map([[system, await terminology.subsumption(system, code, direction, context)]]);
}

/** `:in`, `:not-in`, and `:above` and `:below` of codes. */
async function byTerminology(page: PageContext, criterion: Criterion): Promise<Criterion> {
  const { param, values, modifier, ...rest } = criterion;
  const found: SearchValue[] = [];
  for (const value of values) {
    const { tokens, facts } = setHashes(param, await codesOfValue(page, criterion, value));
    found.push({ kind: 'hashes', text: value.text, hashes: tokens, facts });
    assertFew(criterion, found);
  }
  return { ...rest, param, values: found, ...(modifier === 'not-in' && { modifier: 'not' }) };
}

const textTerms: Statement = {
  name: 'terms_by_text',
  text: `select distinct token from term
    where kind = 't' and param = any($1::int[]) and (value like $2 or value like $3) limit $4`,
};
const codeTerms: Statement = {
  name: 'terms_by_code',
  text: `select distinct token from term
    where kind in ('k', 'c') and param = any($1::int[]) and value like $2 || '%' limit $3`,
};

/** `:text` and `:code-text` of tokens. */
async function byText(page: PageContext, criterion: Criterion): Promise<Criterion> {
  const { param, values, modifier, ...rest } = criterion;
  const keys = indexedAs(param).map(({ key }) => key);
  const found: SearchValue[] = [];
  for (const value of values) {
    const wanted = (value as Of<'string'>).value;
    const folded = like(foldString(wanted));
    const asked =
      modifier === 'text'
        ? page.db.query<{ token: bigint }>(textTerms, [keys, `${folded}%`, `% ${folded}%`, TOKENS_MAX + 1])
        : page.db.query<{ token: bigint }>(codeTerms, [keys, like(wanted.toLowerCase()), TOKENS_MAX + 1]);
    const rows = await asked;
    if (rows.length > TOKENS_MAX) {
      const problem = `More than ${TOKENS_MAX} texts begin like '${wanted.slice(0, 40)}': give more of it`;
      throw refused('too-costly', criterion.name, problem);
    }
    found.push({ kind: 'hashes', text: value.text, hashes: rows.map((row) => String(row.token)) });
    assertFew(criterion, found);
  }
  return { ...rest, param, values: found };
}

const mimeTerms: Statement = {
  name: 'terms_by_mime_type',
  text: `select distinct token from term
    where kind in ('k', 'c') and param = any($1::int[]) and (value = $2 or value like $3 || ';%' or value like $3 || ' %')
    limit $4`,
};

/** `:below` of MIME types: with and without parameters. https://hl7.org/fhir/R4/search.html#mimetype */
async function byMimeType(page: PageContext, criterion: Criterion): Promise<Criterion> {
  const { param, values, modifier: _, ...rest } = criterion;
  const keys = indexedAs(param).map(({ key }) => key);
  const found: SearchValue[] = [];
  for (const value of values) {
    const wanted = (value as Of<'string'>).value.toLowerCase();
    const rows = await page.db.query<{ token: bigint }>(mimeTerms, [keys, wanted, like(wanted), TOKENS_MAX + 1]);
    if (rows.length > TOKENS_MAX) {
      throw refused(
        'too-costly',
        criterion.name,
        `'${wanted.slice(0, 40)}' has more than ${TOKENS_MAX} parameters here`,
      );
    }
    found.push({ kind: 'hashes', text: value.text, hashes: rows.map((row) => String(row.token)) });
    assertFew(criterion, found);
  }
  return { ...rest, param, values: found };
}

const isOfTerms = ({ param, modifier, filter, values }: Criterion): boolean =>
  param.type === 'token' &&
  (modifier === undefined || modifier === 'not') &&
  filter === undefined &&
  indexedAs(param).some((source) => values.some((value) => isOpen(source, value) || isSystem(source, value)));

/** Codes without a system, and systems without a code: what is used the terms tell. */
async function byTerms(page: PageContext, criterion: Criterion): Promise<Criterion> {
  const found = await byOpenCodes(page, criterion);
  const sources = indexedAs(criterion.param);
  const values: SearchValue[] = [];
  for (const value of found.values) {
    const isWhole = sources.every((source) => isSystem(source, value));
    const system = isWhole ? (value as Of<'token'>).system! : undefined;
    const hashes = system === undefined ? undefined : await tokensOfSystem(page.db, sources, system);
    values.push(hashes ? { kind: 'hashes', text: value.text, hashes } : value);
  }
  return { ...found, values };
}

async function byOpenCodes(page: PageContext, criterion: Criterion): Promise<Criterion> {
  const { param, values } = criterion;
  const sources = indexedAs(param);
  const open = values.filter((value): value is OpenCode => sources.some((source) => isOpen(source, value)));
  if (open.length === 0) return criterion;
  const codes = open.map(({ code }) => code);
  const tokens = await tokensOf(page.db, sources, codes);
  const found = open.map(({ text }, i): SearchValue => ({ kind: 'hashes', text, hashes: tokens[i]! }));
  const closed = values.filter((value) => !open.includes(value as OpenCode));
  return { ...criterion, values: [...closed, ...found] };
}

/** As a range, for the B-trees of the first 100 characters; a code point beyond all others ends it. */
const begins = `param = any($1::int[]) and left(value, 100) >= left(p.start, 100)
  and left(value, 100) < left(p.start, 100) || chr(1114111) and starts_with(value, p.start)`;

const profilesBelow: Statement = {
  name: 'terms_profiles_below',
  text: `select distinct x.value from unnest($2::text[]) p(start) cross join lateral (
      select value from term where kind = 'p' and ${begins} union all select value from index_string where ${begins}) x
    limit $3`,
};

/** `:above` and `:below` of profiles, of which there are few. */
async function byProfile(page: PageContext, criterion: Criterion): Promise<Criterion> {
  const { modifier, values, ...rest } = criterion;
  const uris = values.flatMap((value) => (value.kind === 'uri' ? [value.value] : []));
  const found = modifier === 'above' ? uris.flatMap(ancestors) : await profilesThatBegin(page, criterion, uris);
  return { ...rest, values: found.map((value) => ({ kind: 'uri', text: value, value })) };
}

async function profilesThatBegin(page: PageContext, { param, name }: Criterion, starts: string[]): Promise<string[]> {
  const keys = indexedAs(param).map(({ key }) => key);
  const rows = await page.db.query<{ value: string }>(profilesBelow, [keys, starts, TOKENS_MAX + 1]);
  if (rows.length > TOKENS_MAX) {
    throw refused('too-costly', name, `More than ${TOKENS_MAX} profiles begin so: give more of it`);
  }
  return rows.map(({ value }) => value);
}

/** `:text` of references: where in a resource their displays are. */
function byDisplay(page: PageContext, criterion: Criterion): Criterion {
  const paths = displayPaths(criterion.param, page.definitions);
  const values = criterion.values.map((value): SearchValue => {
    const words = wordsOf((value as Of<'string'>).value);
    return { kind: 'display', text: value.text, paths, query: { op: 'phrase', words, prefix: true } };
  });
  return { ...criterion, values };
}

const unitTerms: Statement = {
  name: 'terms_units',
  text: `select distinct value from term where kind = 'u' limit ${UNITS_MAX + 1}`,
};

const hasUnit = (value: SearchValue): value is Of<'quantity'> & { code: string } =>
  value.kind === 'quantity' && value.system === UCUM && value.code !== undefined;

/** `5|…|g` is also `5000|…|mg` where something here is in mg. */
function inOtherUnits(value: SearchValue, units: readonly string[]): SearchValue[] {
  if (!hasUnit(value)) return [value];
  const others = units.filter((unit) => meansUnit(value, unit)).map((unit) => inUnit(value, unit));
  return [value, ...others.filter((other) => other !== undefined)];
}

function tellUnits(page: PageContext, { name }: Criterion): void {
  if (page.issues?.some(({ expression }) => expression?.includes(name))) return;
  const diagnostics = `There are values in more than ${UNITS_MAX} units: of those in other units than the one that is searched some are not found`;
  page.issues ??= [];
  page.issues.push({ severity: 'warning', code: 'incomplete', diagnostics, expression: [name] });
}

async function byUnits(page: PageContext, criterion: Criterion): Promise<Criterion> {
  const found = await page.db.query<{ value: string }>(unitTerms);
  if (found.length > UNITS_MAX) tellUnits(page, criterion);
  const units = found.slice(0, UNITS_MAX).map(({ value }) => value);
  const others = (value: SearchValue): SearchValue[] => {
    if (value.kind !== 'composite') return inOtherUnits(value, units);
    const inUnits = value.parts.map((part) => (hasUnit(part) ? inOtherUnits(part, units) : undefined));
    return [inUnits.some((some) => some !== undefined) ? { ...value, inUnits } : value];
  };
  const values: SearchValue[] = [];
  let compared = 0;
  for (const value of criterion.values) {
    const some = others(value);
    for (const each of some) compared += comparisonsOf(each);
    if (compared > TOKENS_MAX) {
      const problem = `In all units that are in use these are more than ${TOKENS_MAX} values: give fewer alternatives`;
      throw refused('too-costly', criterion.name, problem);
    }
    values.push(...some);
  }
  return { ...criterion, values };
}

const comparisonsOf = (value: SearchValue): number =>
  hasParts(value) && value.inUnits ? value.inUnits.reduce((sum, some) => sum + (some?.length ?? 0), 0) : 1;

const hasParts = (value: SearchValue): value is Of<'composite'> => value.kind === 'composite';

async function byParts(page: PageContext, criterion: Criterion): Promise<Criterion> {
  const values: SearchValue[] = [];
  for (const value of criterion.values) {
    if (!hasParts(value)) values.push(value);
    else {
      const codes = criterion.param.composite?.within && (await codesOfParts(page, criterion, value));
      const within = codes && { codes, codeTokens: await tokensOfParts(page, criterion, codes) };
      values.push({ ...value, ...within, onResource: await partsOnResource(page, criterion, value) });
    }
  }
  return { ...criterion, values };
}

async function lookUp(page: PageContext, criterion: Criterion, { compartment }: Around): Promise<Criterion> {
  const { param, modifier, values } = criterion;
  if (modifier === 'text' && param.type === 'reference') return byDisplay(page, criterion);
  if (modifier === 'text' || modifier === 'code-text') return byText(page, criterion);
  if (modifier === 'in' || modifier === 'not-in') return byTerminology(page, criterion);
  if (modifier === 'below' && param.mimeType) return byMimeType(page, criterion);
  if ((modifier === 'above' || modifier === 'below') && param.type === 'token') return byTerminology(page, criterion);
  if ((modifier === 'above' || modifier === 'below') && param.type === 'reference') {
    return hierarchyKeys(page, lookupsOf(page, criterion).parameters, criterion);
  }
  if ((modifier === 'above' || modifier === 'below') && isInTerms(param)) return byProfile(page, criterion);
  if (isOfTerms(criterion)) return byTerms(page, criterion);
  if (hasBareIds(criterion)) return withTypes(page, criterion, compartment);
  let found = criterion;
  if (values.some((value) => hasUnit(value) || (hasParts(value) && value.parts.some(hasUnit)))) {
    found = await byUnits(page, found);
  }
  return param.composite && modifier === undefined ? byParts(page, found) : found;
}

/** What the search is within that a criterion is one of. */
interface Around {
  compartment?: Criterion['compartment'];
  /** The type of the resources that are searched, where the criterion is on what these contain. */
  containers?: string | undefined;
}

/** An error tells which parameter is at fault. */
async function named(page: PageContext, criterion: Criterion, around: Around): Promise<Criterion> {
  try {
    return await lookUp(page, criterion, around);
  } catch (error) {
    if (!isCerebraError(error) || error.issues[0]?.expression !== undefined) throw error;
    throw new CerebraError(error.code, error.message, { expression: [criterion.name], cause: error });
  }
}

/** Looks up what the criteria need, and remembers it on the page by criterion. */
export async function lookUpAll(
  page: PageContext,
  criteria: readonly Criterion[],
  { containers, ...outer }: Around = {},
): Promise<void> {
  const compartment = outer.compartment ?? criteria.find((each) => each.compartment)?.compartment;
  const around: Around = compartment ? { compartment, containers } : { containers };
  await lookUpLinks(page, criteria);
  for (const criterion of criteria) {
    const { chain = [], has, logic } = criterion;
    if (chain.length > 0 || has || logic) {
      await lookUpAll(page, [...chain.map((link) => link.criterion), ...(has ? [has.criterion] : [])]);
      await lookUpAll(page, logic?.criteria ?? [], around);
      const type = containers ?? criterion.param.resourceType;
      const places = findPlaces(page, criterion, type);
      await lookUpAll(page, places, { containers: type });
      await tellBeyond(page, criterion, type);
      continue;
    }
    if (page.found?.has(criterion)) continue;
    const found = await named(page, criterion, around);
    if (found === criterion) continue;
    page.found ??= new Map();
    page.found.set(criterion, found);
  }
}
